#!/bin/sh
# Runs one Kafka broker for as long as somebody holds the other end of standard input.
#
# A test binary that ends in any way, also by a signal, closes that pipe: so no broker outlives its
# tests, which a destructor alone could not promise. A line "kill" ends the broker as a power cut
# would, the end of input ends it cleanly; `java` gets ten seconds for that. Its process is in broker.pid.
#
# usage: start-kafka.sh DIRECTORY CLASSPATH [format]
# DIRECTORY holds server.properties; the broker's words go to broker.log in it.
set -u
directory=$1
classpath=$2
exec 2>>"$directory/broker.log"

if [ "${3-}" = format ]; then
    java -cp "$classpath" kafka.tools.StorageTool format --standalone --ignore-formatted \
        -t ZGF0YWh1Yi1yZWxheS10cw -c "$directory/server.properties" >&2 || exit 1
fi

exec 3<&0
java -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Dlog4j2.configurationFile="$directory/log4j2.properties" \
    -cp "$classpath" kafka.Kafka "$directory/server.properties" \
    </dev/null >&2 3<&- &
broker=$!
echo "$broker" >"$directory/broker.pid"

(
    if read -r word <&3 && [ "$word" = kill ]; then
        rm -f "$directory/discard" # it comes back on the same data
        kill -KILL "$broker" 2>/dev/null
        exit
    fi
    kill -TERM "$broker" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 "$broker" 2>/dev/null || exit
        sleep 1
    done
    kill -KILL "$broker" 2>/dev/null
) &
exec 3<&-

wait "$broker"
status=$?
# The data is of no use to anybody once the tests are over; what was logged and committed is, if one failed.
if [ -e "$directory/discard" ]; then
    if [ -e "$directory/keep" ]; then
        find "$directory/data" -mindepth 1 -maxdepth 1 ! -name '__consumer_offsets-*' -exec rm -rf {} +
    else
        rm -rf "$directory"
    fi
fi
exit "$status"
