"""What every model client is asked to do: one file per client, asked by tests, benchmarks and docs.

::

    vocabulary.py    Way, Opened, Client: what a driver tells
    clients/         a driver per client, named as its integration
"""
