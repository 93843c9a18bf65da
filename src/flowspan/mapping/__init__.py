"""Helps to write span maps: says what the rows of one match, and drafts one for a module.

::

    cli map check ──► checking ──► a process: matches ──► imports the program, applies the rows
    cli map suggest ─► drafting ─► a process: survey ──► imports the modules, looks what is in them

The program is imported by processes of their own, so that nothing of it runs in ours.
"""
