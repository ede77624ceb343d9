"""The Faust app: what a worker must not leave at Faust's defaults; security as the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from pipeline.kafka_security import aiokafka_client
from pipeline.settings import Settings, load
from pipeline.topics import SOURCE_TOPICS
from pipeline.transport.app import FETCH_BYTES_MAX, FETCH_BYTES_MIN, FETCHED_BYTES_MAX, brokers, faust_app, fetch_bytes

PLAIN = {"kafka.bootstrap_servers": "one:9092,two:9093"}
LOGIN = {"kafka.sasl_username": "tally", "kafka.sasl_password": "secret"}


def settings(tmp_path: Path, **more: str) -> Settings:
    return load(
        {"home": str(tmp_path), **PLAIN, **{name.replace("__", "."): v for name, v in more.items()}}, environ={}
    )


def test_nothing_is_served_on_all_interfaces_and_no_topic_is_made(tmp_path: Path) -> None:
    conf = faust_app(settings(tmp_path)).conf
    assert not conf.web_enabled
    assert conf.web_bind == "127.0.0.1"
    assert (conf.topic_allow_declare, conf.topic_disable_leader) == (False, True)


def test_a_partition_number_goes_whole_to_one_worker_and_a_rebalance_waits_for_its_batch(tmp_path: Path) -> None:
    conf = faust_app(settings(tmp_path)).conf
    assert (conf.table_standby_replicas, conf.stream_wait_empty) == (1, True)


def test_an_offset_that_is_gone_is_never_jumped_over(tmp_path: Path) -> None:
    assert faust_app(settings(tmp_path)).conf.consumer_auto_offset_reset == "none"


def test_all_bootstrap_servers_are_taken(tmp_path: Path) -> None:
    assert [str(url) for url in brokers(settings(tmp_path))] == ["kafka://one:9092", "kafka://two:9093"]


def test_many_partitions_are_fetched_in_smaller_pieces_so_that_all_of_them_stay_bounded(tmp_path: Path) -> None:
    fetched = {partitions: fetch_bytes(partitions) * partitions * len(SOURCE_TOPICS) for partitions in range(1, 1025)}
    assert fetch_bytes(4) == FETCH_BYTES_MAX
    assert all(size <= FETCHED_BYTES_MAX for partitions, size in fetched.items() if partitions <= 372)
    assert fetch_bytes(373) == FETCH_BYTES_MIN
    chosen = settings(tmp_path, topics__partitions="64")
    assert faust_app(chosen).conf.consumer_max_fetch_size == fetch_bytes(64) < FETCH_BYTES_MAX


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"kafka__security_protocol": "SSL"},
        {"kafka__security_protocol": "SASL_PLAINTEXT", "kafka__sasl_mechanism": "PLAIN"},
        {"kafka__security_protocol": "SASL_SSL", "kafka__sasl_mechanism": "SCRAM-SHA-512"},
    ],
)
def test_faust_logs_in_as_the_settings_say(tmp_path: Path, given: dict[str, str]) -> None:
    login = LOGIN if "kafka__sasl_mechanism" in given else {}
    one = settings(tmp_path, **given, **{name.replace(".", "__"): value for name, value in login.items()})
    passed = dict(credentials_to_aiokafka_auth(faust_app(one).conf.broker_credentials))
    wanted = aiokafka_client(one)
    wanted.pop("bootstrap_servers")
    context, wanted_context = passed.pop("ssl_context", None), wanted.pop("ssl_context", None)
    assert passed == wanted
    assert (context is None) == (wanted_context is None)
    if context is not None:
        assert context.check_hostname
