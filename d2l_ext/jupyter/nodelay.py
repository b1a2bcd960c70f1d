"""A server extension that sends a kernel's messages at once, not 40 ms late.

    jupyter lab --ServerApp.jpserver_extensions=d2l_ext.jupyter.nodelay=True

A kernel answers a slider with several small messages. Nagle's algorithm (RFC 896) holds
the second back until the browser has acknowledged the first, which it puts off for as
long as 40 ms (delayed acknowledgement, RFC 1122, section 4.2.3.2). Jupyter Server
leaves the algorithm on; TCP_NODELAY on a kernel's websocket turns it off.
"""

SETTING = 'kernel_websocket_connection_class'


def _jupyter_server_extension_points():
    return [{'module': __name__}]


def _load_jupyter_server_extension(app) -> None:
    """Have the server take connections to kernels that do not wait."""
    settings = app.web_app.settings
    connection = settings.get(SETTING)
    if not hasattr(connection, 'connect'):
        app.log.warning(
            f'{__name__} does nothing: this Jupyter Server has no {SETTING} '
            f'with connect(), but {connection!r}. Sliders work, in fewer pictures.'
        )
    else:
        settings[SETTING] = without_delay(connection)


def without_delay(connection: type) -> type:
    """Return a subclass of a class of connections that sets TCP_NODELAY as it connects.

    `connection`: as Jupyter Server's `ZMQChannelsWebsocketConnection`, a class with
    `connect`, `websocket_handler` (Tornado's) and `log`. Where the handler cannot set
    it, the log says so, and the connection is what it was.
    """

    class NoDelay(connection):
        def connect(self):
            nodelay = getattr(self.websocket_handler, 'set_nodelay', None)
            if nodelay:
                nodelay(True)
            else:
                self.log.warning(
                    f'{__name__} does nothing: no set_nodelay in '
                    f'{self.websocket_handler!r}. Sliders work, in fewer pictures.'
                )
            return super().connect()

    return NoDelay
