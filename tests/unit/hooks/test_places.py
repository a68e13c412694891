from pathlib import Path

from heat_zaqar_hooks.places import Places


def test_the_defaults_are_those_of_heat_agents():
    places = Places.from_environ({})
    assert places == Places(
        config_list=Path("/var/run/heat-config/heat-config"),
        deployed_dir=Path("/var/lib/heat-config/deployed"),
        hook_dirs=(
            Path("/usr/libexec/heat-config/hooks"),
            Path("/var/lib/heat-config/hooks"),
        ),
        notify_program=None,
        boot_id_file=Path("/proc/sys/kernel/random/boot_id"),
    )


def test_the_environment_is_read():
    places = Places.from_environ(
        {
            "HEAT_SHELL_CONFIG": "/a",
            "HEAT_CONFIG_DEPLOYED": "/b",
            "HEAT_CONFIG_HOOKS": "/c",
            "HEAT_CONFIG_NOTIFY": "mine",
            "HEAT_ZAQAR_BOOT_ID_FILE": "/d",
        }
    )
    assert (places.config_list, places.deployed_dir) == (Path("/a"), Path("/b"))
    assert places.hook_dirs[0] == Path("/c")
    assert len(places.hook_dirs) == 3
    assert places.notify_program == "mine"
    assert places.boot_id_file == Path("/d")


def test_an_empty_variable_counts_as_not_set():
    names = ("HEAT_SHELL_CONFIG", "HEAT_CONFIG_DEPLOYED", "HEAT_CONFIG_HOOKS", "HEAT_CONFIG_NOTIFY")
    names += ("HEAT_ZAQAR_BOOT_ID_FILE",)
    assert Places.from_environ(dict.fromkeys(names, "")) == Places.from_environ({})
