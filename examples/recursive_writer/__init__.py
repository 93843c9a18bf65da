"""A small agent program: it plans an article as a tree of tasks, researches, writes and joins them.

::

    __main__ ─► engine ─► agents ─► models ─► an OpenAI and an Anthropic endpoint
                  │          ├────► prompts    which text, chosen by the state of the task
                  │          └────► library    what can be read about a goal
                  └────► nodes                 tasks, and the rules by which their status moves

It knows nothing of tracing.  What its functions mean to flowspan is said from outside, in
``flowspan.toml``; ``offline`` runs it against a provider on this machine.
"""
