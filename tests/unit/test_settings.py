"""Settings: precedence, every fault in one message with its mend, secrets never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import kafka_security
from pipeline.cli.settings import effective
from pipeline.settings import Settings, SettingsError, load
from pipeline.settings_sources import env_name, fields

SASL = {
    "TALLY_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
    "TALLY_KAFKA__SASL_MECHANISM": "SCRAM-SHA-256",
    "TALLY_KAFKA__SASL_USERNAME": "tally",
    "TALLY_KAFKA__SASL_PASSWORD": "hunter2",
}


def faults(environ: dict[str, str], folder: Path, **overrides: object) -> dict[str, str]:
    """What is wrong, by setting."""
    with pytest.raises(SettingsError) as caught:
        load(overrides, environ, folder)
    return {fault.name: str(fault) for fault in caught.value.faults}


def test_with_nothing_set_the_defaults_hold(tmp_path: Path) -> None:
    settings = load({}, {}, tmp_path)
    assert settings.home == tmp_path / ".tally"
    assert settings.topics.partitions == 4
    assert settings.rules.window_days == 7
    assert settings.state_dir() == tmp_path / ".tally" / "state"


def test_an_option_beats_the_environment_that_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "tally.toml").write_text("[topics]\npartitions = 2\nprefix = 'file.'\nreplication_factor = 3\n")
    environ = {"TALLY_TOPICS__PARTITIONS": "6", "TALLY_TOPICS__PREFIX": "env."}
    settings = load({"topics.partitions": 8, "topics.prefix": None}, environ, tmp_path)
    assert settings.topics.partitions == 8
    assert settings.topics.prefix == "env."
    assert settings.topics.replication_factor == 3
    names = ("topics.partitions", "topics.prefix", "topics.replication_factor", "topics.compression")
    assert [settings.origin(name) for name in names] == ["option", "environment", "file", "default"]


def test_the_file_may_lie_elsewhere_and_must_then_be_there(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text("[sink]\nrows = 5\n")
    assert load({}, {"TALLY_CONFIG": str(elsewhere)}, tmp_path).sink.rows == 5
    assert "gone.toml" in faults({"TALLY_CONFIG": "gone.toml"}, tmp_path)["TALLY_CONFIG"]


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load({}, {"TALLY_KAFKA__SASL_USERNAME": "", "TALLY_TOPICS__PARTITIONS": ""}, tmp_path).topics.partitions == 4


def test_every_fault_is_told_at_once_with_its_name(tmp_path: Path) -> None:
    environ = {
        "TALLY_TOPICS__PARTITIONS": "0",
        "TALLY_TOPICS__REPLICATION_FACTOR": "many",
        "TALLY_KAFKA__SASL_MECHANISM": "PLAIN",
        "TALLY_HASH_SEED": "short",
        "TALLY_SINK__ROW": "5",
        "TALLY_RULES__UNIQUE_DAYS": "7",
    }
    found = faults(environ, tmp_path)
    assert found.keys() == {
        "TALLY_TOPICS__PARTITIONS",
        "TALLY_TOPICS__REPLICATION_FACTOR",
        "TALLY_KAFKA__SASL_MECHANISM",
        "TALLY_HASH_SEED",
        "TALLY_SINK__ROW",
        "TALLY_RULES__UNIQUE_DAYS",
    }
    assert "a whole number from 1 to 1024" in found["TALLY_TOPICS__PARTITIONS"]
    assert "default, 4" in found["TALLY_TOPICS__PARTITIONS"]
    assert "TALLY_SINK__ROWS" in found["TALLY_SINK__ROW"]


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({**SASL, "TALLY_KAFKA__SASL_USERNAME": ""}, "TALLY_KAFKA__SASL_USERNAME"),
        ({**SASL, "TALLY_KAFKA__SECURITY_PROTOCOL": "PLAINTEXT"}, "TALLY_KAFKA__SASL_PASSWORD"),
        ({"TALLY_KAFKA__SECURITY_PROTOCOL": "SSL", "TALLY_KAFKA__SSL_KEY_LOCATION": __file__},
         "TALLY_KAFKA__SSL_CERTIFICATE_LOCATION"),
        ({"TALLY_KAFKA__SECURITY_PROTOCOL": "SSL", "TALLY_KAFKA__SSL_CERTIFICATE_LOCATION": __file__},
         "TALLY_KAFKA__SSL_KEY_LOCATION"),
        ({"TALLY_KAFKA__SECURITY_PROTOCOL": "SSL", "TALLY_KAFKA__SSL_CA_LOCATION": "gone.pem"},
         "TALLY_KAFKA__SSL_CA_LOCATION"),
        ({"TALLY_KAFKA__SSL_CA_LOCATION": __file__}, "TALLY_KAFKA__SSL_CA_LOCATION"),
        ({"TALLY_KAFKA__SSL_KEY_PASSWORD": "x"}, "TALLY_KAFKA__SSL_KEY_PASSWORD"),
        ({"TALLY_TOPICS__MIN_INSYNC_REPLICAS": "2"}, "TALLY_TOPICS__MIN_INSYNC_REPLICAS"),
        ({"TALLY_SINK__GROUP_ID": "tally"}, "TALLY_SINK__GROUP_ID"),
        ({"TALLY_RULES__WINDOW_DAYS": "90"}, "TALLY_RULES__UNIQUE_DAYS"),
        ({"TALLY_SCHEMA_REGISTRY__USERNAME": "x"}, "TALLY_SCHEMA_REGISTRY__URL"),
        ({"TALLY_SCHEMA_REGISTRY__URL": "http://r", "TALLY_SCHEMA_REGISTRY__USERNAME": "x"},
         "TALLY_SCHEMA_REGISTRY__PASSWORD"),
        ({"TALLY_CLICKHOUSE__URL": "http://u:secret@h:1"}, "TALLY_CLICKHOUSE__URL"),
    ],
)  # fmt: skip
def test_a_contradiction_is_a_fault(environ: dict[str, str], name: str, tmp_path: Path) -> None:
    found = faults(environ, tmp_path)
    assert name in found
    assert "secret" not in found[name]


def test_a_wrong_protocol_is_not_also_called_a_contradiction(tmp_path: Path) -> None:
    assert faults({**SASL, "TALLY_KAFKA__SECURITY_PROTOCOL": "SASL"}, tmp_path).keys() == {
        "TALLY_KAFKA__SECURITY_PROTOCOL"
    }


@pytest.mark.parametrize(("value", "is_right"), [("1", True), ("1024", True), ("0", False), ("1025", False)])
def test_bounds_hold_at_the_bound_and_one_past_it(value: str, is_right: bool, tmp_path: Path) -> None:
    environ = {"TALLY_TOPICS__PARTITIONS": value}
    if is_right:
        assert load({}, environ, tmp_path).topics.partitions == int(value)
    else:
        assert faults(environ, tmp_path).keys() == {"TALLY_TOPICS__PARTITIONS"}


def test_a_key_of_the_file_that_is_no_setting_is_a_fault_that_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "tally.toml").write_text("[worker]\nlinger = 5\n")
    assert "worker.linger_ms" in faults({}, tmp_path)["worker.linger"]


def test_a_file_that_is_not_toml_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "tally.toml").write_text("partitions: 4")
    assert "is not TOML" in faults({}, tmp_path)["TALLY_CONFIG"]


def test_a_kubernetes_service_link_is_recognised(tmp_path: Path) -> None:
    found = faults({"TALLY_WORKER_PORT_8080_TCP": "tcp://10.0.0.1:8080"}, tmp_path)
    assert "enableServiceLinks: false" in found["TALLY_WORKER_PORT_8080_TCP"]


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    settings = load({}, {"TALLY_CLICKHOUSE__PASSWORD_FILE": str(secret)}, tmp_path)
    assert settings.clickhouse.password is not None
    assert settings.clickhouse.password.get_secret_value() == "hunter2"
    both = {"TALLY_CLICKHOUSE__PASSWORD_FILE": str(secret), "TALLY_CLICKHOUSE__PASSWORD": "x"}
    assert "TALLY_CLICKHOUSE__PASSWORD_FILE" in faults(both, tmp_path)
    gone = {"TALLY_CLICKHOUSE__PASSWORD_FILE": str(tmp_path / "gone")}
    assert "cannot read" in faults(gone, tmp_path)["TALLY_CLICKHOUSE__PASSWORD_FILE"]


def test_a_secret_of_the_environment_replaces_a_secret_file_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "tally.toml").write_text("[clickhouse]\npassword_file = 'gone'\n")
    settings = load({}, {"TALLY_CLICKHOUSE__PASSWORD": "hunter2"}, tmp_path)
    assert settings.clickhouse.password is not None
    assert settings.clickhouse.password.get_secret_value() == "hunter2"


def test_secrets_are_masked_wherever_settings_are_shown(tmp_path: Path) -> None:
    settings = load({}, {**SASL, "TALLY_HASH_SEED": "00112233445566ff"}, tmp_path)
    for shown in (repr(settings), str(settings), settings.model_dump_json(), json.dumps(effective(settings))):
        assert "hunter2" not in shown
        assert "00112233445566ff" not in shown


def test_a_wrong_address_is_told_with_its_form(tmp_path: Path) -> None:
    found = faults({"TALLY_CLICKHOUSE__URL": "foo"}, tmp_path)
    assert "http(s)://host:port" in str(found["TALLY_CLICKHOUSE__URL"])


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    assert "zzz" not in faults({"TALLY_HASH_SEED": "zzz"}, tmp_path)["TALLY_HASH_SEED"]
    (tmp_path / "tally.toml").write_text("[clickhouse]\npassword = 271828\n")
    assert "271828" not in faults({}, tmp_path)["TALLY_CLICKHOUSE__PASSWORD"]


def test_the_hash_seed_comes_from_the_setting_else_from_the_home(tmp_path: Path) -> None:
    assert load({}, {"TALLY_HASH_SEED": "00000000000000ff"}, tmp_path).seed() == 255
    settings = load({}, {}, tmp_path)
    with pytest.raises(SettingsError, match="tally up"):
        settings.seed()
    settings.home.mkdir()
    (settings.home / "hash_seed").write_text("0000000000000100\n")
    assert settings.seed() == 256
    (settings.home / "hash_seed").write_text("nonsense")
    with pytest.raises(SettingsError, match="16 hex digits"):
        settings.seed()


def test_addresses_come_from_the_setting_else_from_the_local_stack(tmp_path: Path) -> None:
    settings = load({}, {}, tmp_path)
    with pytest.raises(SettingsError, match=r"TALLY_KAFKA__BOOTSTRAP_SERVERS.*tally up"):
        settings.kafka_address()
    settings.home.mkdir()
    stack = {"format": 1, "kafka": {"bootstrap_servers": "127.0.0.1:5"}, "clickhouse": {"url": "http://127.0.0.1:6"}}
    (settings.home / "stack.json").write_text(json.dumps(stack))
    assert settings.kafka_address() == "127.0.0.1:5"
    assert settings.clickhouse_address() == "http://127.0.0.1:6"
    given = load({"kafka.bootstrap_servers": "elsewhere:1"}, {}, tmp_path)
    assert given.kafka_address() == "elsewhere:1"
    (settings.home / "stack.json").write_text("{")
    with pytest.raises(SettingsError, match="unreadable"):
        settings.kafka_address()


def test_security_reaches_both_kafka_clients(tmp_path: Path) -> None:
    environ = {**SASL, "TALLY_KAFKA__BOOTSTRAP_SERVERS": "broker:9093"}
    settings = load({}, environ, tmp_path)
    assert kafka_security.kafka_client(settings) == {
        "bootstrap.servers": "broker:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "tally",
        "sasl.password": "hunter2",
    }
    client = kafka_security.aiokafka_client(settings)
    context = client.pop("ssl_context")
    assert context.check_hostname
    assert client == {
        "bootstrap_servers": "broker:9093",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "tally",
        "sasl_plain_password": "hunter2",
    }


def test_without_security_the_clients_get_none(tmp_path: Path) -> None:
    settings = load({"kafka.bootstrap_servers": "b:1"}, {}, tmp_path)
    assert kafka_security.kafka_client(settings) == {"bootstrap.servers": "b:1", "security.protocol": "PLAINTEXT"}
    assert kafka_security.aiokafka_client(settings) == {"bootstrap_servers": "b:1", "security_protocol": "PLAINTEXT"}


def test_every_setting_has_a_meaning_and_a_name_of_its_own() -> None:
    known = dict(fields(Settings))
    assert len({env_name(name) for name in known}) == len(known)
    assert not [name for name, field in known.items() if not field.description]
