"""Span maps: what the functions of in-house code mean, said in a TOML or YAML file.

::

    file ──► lines, inline    where each key stands, for sentences about what is wrong
         ──► schema           the shape, by the JSON Schema that editors use
         ──► loading          the rows and outcomes, one by one
               └─► compiler, parsing ──► paths, arguments, values    the small languages of a row
                     └─► rows, events, outcomes                      what a row does at a call
"""
