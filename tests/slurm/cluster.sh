#!/bin/bash
# A real Slurm on this machine, to try the campaign on: two nodes with two GPUs that exist in name only.
#
#   tests/slurm/cluster.sh start [FOLDER]     logs and state go to FOLDER, by default /tmp/dynrefine-slurm
#   tests/slurm/cluster.sh stop [FOLDER]      cancels all jobs
#
# Needs the Debian packages slurm-wlm and munge and leave to write to /etc/slurm, where links to the configuration are
# put; a configuration that is there already is left alone. Nothing listens beyond this machine's own addresses.
set -euo pipefail

usage() { sed -n '2,8s/^# \?//p' "$0" >&2; exit 2; }

sources=$(realpath "$(dirname "$0")/cluster")
folder=$(realpath -m "${2:-/tmp/dynrefine-slurm}")
# The plugin of Snakemake takes SLURM_CONF out of the environment of jobs: the configuration has to be where Slurm looks.
system=/etc/slurm
nodes="n1 n2"

start() {
    for file in "$sources"/*.conf; do
        if [ -e "$system/$(basename "$file")" ]; then
            echo "error: $system/$(basename "$file") exists: stop that Slurm first." >&2
            exit 1
        fi
    done
    mkdir -p "$system" "$folder"/state "$folder"/spool
    for gpu in 0 1; do ln -sfn /dev/null "$folder/gpu$gpu"; done
    for file in "$sources"/*.conf; do
        sed -e "s|{folder}|$folder|g" -e "s|{host}|$(hostname -s)|g" -e "s|{user}|$(id -un)|g" \
            "$file" > "$folder/$(basename "$file")"
        ln -s "$folder/$(basename "$file")" "$system/"
    done
    head -c 1024 /dev/urandom > "$folder/munge.key"
    chmod 600 "$folder/munge.key"
    munged --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" --seed-file="$folder/munge.seed" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log"
    slurmctld -c
    for node in $nodes; do slurmd -N "$node"; done
    for _ in $(seq 100); do
        if [ "$(sinfo --noheader --partition=cpu --states=idle --format=%D 2> /dev/null)" = 2 ]; then
            sinfo --Node --long
            return
        fi
        sleep 0.1
    done
    echo "error: the nodes do not become idle; see $folder/*.log." >&2
    tail -n 5 "$folder"/*.log >&2
    stop
    exit 1
}

stop() {
    if [ "$(readlink "$system/slurm.conf")" != "$folder/slurm.conf" ]; then
        echo "error: no cluster runs from $folder." >&2
        exit 1
    fi
    scancel --user="$(id -un)" 2> /dev/null || true
    for _ in $(seq 50); do
        [ -z "$(squeue --noheader 2> /dev/null)" ] && break
        sleep 0.1
    done
    for file in "$folder"/slurmd-*.pid "$folder"/slurmctld.pid "$folder"/munged.pid; do
        if [ -f "$file" ]; then kill "$(cat "$file")" || true; fi
    done
    for file in "$sources"/*.conf; do rm -f "$system/$(basename "$file")"; done
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    *) usage ;;
esac
