"""What `make lab` changes of Jupyter: its server, and JupyterLab's own settings."""

import asyncio
import logging
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from d2l_ext.jupyter import nodelay


async def connected(extensions, folder, sockets):
    """Open a kernel's websocket; return TCP_NODELAY at the server's end, and the log."""
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.connection.channels import (
        ZMQChannelsWebsocketConnection,
    )
    from tornado.httpserver import HTTPServer
    from tornado.websocket import websocket_connect

    options = []

    class Seen(ZMQChannelsWebsocketConnection):
        async def connect(self):
            stream = self.websocket_handler.ws_connection.stream
            options.append(
                stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            )
            await super().connect()

    app = ServerApp(
        jpserver_extensions=extensions,
        kernel_websocket_connection_class=Seen,
        root_dir=str(folder),
        allow_root=True,
        open_browser=False,
    )
    app.initialize(
        argv=['--IdentityProvider.token='], find_extensions=False, new_httpserver=False
    )
    server = HTTPServer(app.web_app)
    server.add_sockets(sockets)
    try:
        kernel = await app.kernel_manager.start_kernel()
        port = sockets[0].getsockname()[1]
        channels = await websocket_connect(
            f'ws://127.0.0.1:{port}/api/kernels/{kernel}/channels'
        )
        assert await asyncio.wait_for(channels.read_message(), 30)
        channels.close()
    finally:
        server.stop()
        await app._cleanup()
    return options


@pytest.mark.parametrize(
    ('extensions', 'set_to'), [({}, 0), ({nodelay.__name__: 1}, 1)]
)
def test_a_kernel_s_websocket_does_not_wait(extensions, set_to, tmp_path, monkeypatch):
    pytest.importorskip('jupyter_server')
    for name in ('CONFIG', 'DATA', 'RUNTIME'):
        monkeypatch.setenv(f'JUPYTER_{name}_DIR', str(tmp_path / name.lower()))
    from jupyter_server.serverapp import ServerApp
    from tornado.netutil import bind_sockets

    ServerApp.clear_instance()
    try:
        sockets = bind_sockets(0, '127.0.0.1')
        assert asyncio.run(connected(extensions, tmp_path, sockets)) == [set_to]
    finally:
        ServerApp.clear_instance()


class Connection:
    """What a Jupyter Server to come may call by the same name."""

    log = logging.getLogger('nodelay')

    def __init__(self, websocket_handler):
        self.websocket_handler = websocket_handler

    def connect(self):
        return 'connected'


def test_another_server_goes_on_as_it_was(caplog):
    web_app = SimpleNamespace(settings={'kernel_connection': Connection})
    nodelay._load_jupyter_server_extension(
        SimpleNamespace(web_app=web_app, log=Connection.log)
    )
    assert web_app.settings == {'kernel_connection': Connection}
    assert (
        'd2l_ext.jupyter.nodelay does nothing: this Jupyter Server has no'
        in caplog.text
    )


def test_another_websocket_goes_on_as_it_was(caplog):
    connection = nodelay.without_delay(Connection)(websocket_handler='of another kind')
    assert connection.connect() == 'connected'
    assert "does nothing: no set_nodelay in 'of another kind'" in caplog.text


def test_jupyterlab_knows_what_it_is_asked(tmp_path):
    config = pytest.importorskip('jupyterlab_server.config')
    from jupyterlab.commands import get_app_dir
    from jupyterlab_server.settings_utils import get_settings

    lab, app = Path(nodelay.__file__).parent / 'settings', Path(get_app_dir())
    disabled = config.get_page_config([], str(lab))['disabledExtensions']
    assert '@jupyterlab/application-extension:faviconbusy' in disabled
    texts = [path.read_text() for path in (app / 'static').glob('*.js')]
    for plugin in disabled:
        assert any(f"'{plugin}'" in text or f'"{plugin}"' in text for text in texts)

    tracker = '@jupyterlab/notebook-extension:tracker'
    settings, warnings = get_settings(
        str(lab), str(app / 'schemas'), str(tmp_path), schema_name=tracker
    )
    schema = settings['schema']
    assert schema['properties']['kernelStatus']['default']['showOnStatusBar']
    assert 'showOnStatusBar' in str(schema['definitions'])
    assert not any(warnings)
