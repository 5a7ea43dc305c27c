"""Where compiled programs are kept."""

import jax
import pytest

from pid_jax.sweep.devices import keep_compiled


@pytest.fixture(autouse=True)
def restore():
    names = ("jax_compilation_cache_dir", "jax_enable_compilation_cache")
    before = {name: jax.config.values[name] for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_a_folder_that_is_named(tmp_path):
    keep_compiled(str(tmp_path))
    assert jax.config.values["jax_compilation_cache_dir"] == str(tmp_path)


def test_the_users_cache_unless_jax_has_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", None)
    keep_compiled()
    assert jax.config.values["jax_compilation_cache_dir"].startswith(str(tmp_path / "pid-lvlm"))
    jax.config.update("jax_compilation_cache_dir", "elsewhere")
    keep_compiled()
    assert jax.config.values["jax_compilation_cache_dir"] == "elsewhere"


def test_off():
    keep_compiled("off")
    assert not jax.config.values["jax_enable_compilation_cache"]
