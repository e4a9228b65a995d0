"""Starts the built programs as a user would and gives tests the real AWS CLI pointed at them."""

import pytest

from drawbridge import Dev, Proxy, Terminal, programs


def pytest_configure(config):
    if not (programs() / "drawbridge").exists():
        raise pytest.UsageError(f"no `drawbridge` in `{programs()}`\nhint: cargo xtask test builds it first")


@pytest.fixture(scope="session")
def dev(tmp_path_factory):
    """One `drawbridge dev` for every test that does not stop it."""
    with Dev(tmp_path_factory.mktemp("dev")) as running:
        yield running


@pytest.fixture
def own_dev(tmp_path):
    """A `drawbridge dev` of the test's own, to kill and restart."""
    with Dev(tmp_path / "dev") as running:
        yield running


@pytest.fixture
def terminal():
    """Starts programs under a pseudo-terminal; whatever still runs at the end is killed."""
    opened = []

    def start(argv, env, **options):
        opened.append(Terminal(argv, env, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def proxy(dev):
    """A TCP proxy in front of the shared server whose connections can be cut."""
    with Proxy(dev.port) as running:
        yield running
