"""When the queries of a round come: MLPerf's scenarios.

- ``single-stream`` (of every phase; the others are of ``inference`` alone): the next query starts
  when the last one ended. It is one image, or as many as a model of a fixed batch takes at once.
- ``multi-stream``: a query is ``samples_per_query`` images (default 8), and the next starts when
  the last one ended.
- ``offline``: all ``samples_per_query`` images (default 256) are handed over at once: one query is
  the whole lot.
- ``server``: queries as in single stream arrive by a Poisson process of ``qps`` a second, drawn
  with ``seed`` (default 0), and are answered one at a time in their order. A latency counts from
  the scheduled arrival, so that waiting in the queue counts. ``warmup`` and ``settle`` are asked
  without a pause.

To settle means to go on in windows of at least 5 queries and 50 ms, until a window's median is
within 2 % of the median of the window before it, for at most 10 windows.
"""
