#!/bin/sh
# Plays this program for the tests of its processes: --home HOME --json VERB ...
case "$4" in
up)
    echo '{"event":"ready","home":"'"$2"'"}'
    echo '{"event":"peer_up"}'
    trap 'exit 0' TERM
    while :; do sleep 1 & wait $!; done
    ;;
unwilling) echo "the folder is taken" >&2; exit 1 ;;
repeat) printf '{"said":"%s"}\n' "$(cat)" ;;
fail) echo '{"id":"1f"}'; echo "not yet there" >&2; exit 75 ;;
silent) ;;
garbled) echo 'not json' ;;
esac
