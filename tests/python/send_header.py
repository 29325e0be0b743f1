"""Sends a record with a header whose name is any bytes, for tests/kafka/bad_input.

    send_header.py BOOTSTRAP TOPIC VALUE NAME_IN_HEX

Python's own client takes names that are text only, so this speaks to the librdkafka that comes with it.
"""

import ctypes
import pathlib
import sys

import confluent_kafka

# The tags of rd_kafka_vtype_t.
END, TOPIC, PARTITION, VALUE, FLAGS, HEADER = 0, 1, 3, 4, 7, 9
# RD_KAFKA_MSG_F_COPY.
COPY = 2

libraries = pathlib.Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
rdkafka = ctypes.CDLL(str(next(libraries.glob("librdkafka*"))))
for function in ("rd_kafka_conf_new", "rd_kafka_new"):
    getattr(rdkafka, function).restype = ctypes.c_void_p


def main(bootstrap, topic, value, name):
    error = ctypes.create_string_buffer(512)
    conf = ctypes.c_void_p(rdkafka.rd_kafka_conf_new())
    settings = [(b"bootstrap.servers", bootstrap.encode()), (b"message.timeout.ms", b"30000")]
    for key, setting in settings:
        if rdkafka.rd_kafka_conf_set(conf, key, setting, error, ctypes.c_size_t(512)) != 0:
            sys.exit(error.value.decode())
    producer = ctypes.c_void_p(rdkafka.rd_kafka_new(0, conf, error, ctypes.c_size_t(512)))
    if not producer:
        sys.exit(error.value.decode())
    failed = rdkafka.rd_kafka_producev(
        producer,
        ctypes.c_int(TOPIC), topic.encode(),
        ctypes.c_int(PARTITION), ctypes.c_int32(0),
        ctypes.c_int(FLAGS), ctypes.c_int(COPY),
        ctypes.c_int(VALUE), value.encode(), ctypes.c_size_t(len(value)),
        ctypes.c_int(HEADER), name, b"1", ctypes.c_ssize_t(1),
        ctypes.c_int(END),
    )
    if failed or rdkafka.rd_kafka_flush(producer, ctypes.c_int(30000)) != 0:
        sys.exit(f"not sent: {failed}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], bytes.fromhex(sys.argv[4]))
