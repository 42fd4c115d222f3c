"""A worker: one model, served over HTTP.

A request passes through:

1. `routes`: its body.
2. `Worker.prepare`: its prompt.
3. `Runner.submit`: the queue, then a decoding thread.
4. `Ticket.events`: its events, back on the event loop.
5. `EventStream` or `collect`: its response.
"""
