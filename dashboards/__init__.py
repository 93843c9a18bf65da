"""The Grafana dashboards and the Prometheus alerts, as tables of what they ask and why.

::

    runs, where_time_goes, …   one dashboard each: rows of panels
        │
    model                      what a dashboard, a panel and a query are
        │
        ├── promql, names      how questions are written in PromQL, what metrics are called
        ├── render, looks      into Grafana's classic JSON, by grafana-foundation-sdk
        └── alerts             into a file of Prometheus rules

``python -m dashboards`` writes the files; nobody edits them by hand.
"""
