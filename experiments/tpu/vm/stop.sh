#!/usr/bin/env bash
# Asks every host to save and leave; `run.sh` goes on from there.
#
#     stop.sh --name sisr-1 --zone us-west4-a --project my-project [--dry-run]
set -euo pipefail
# shellcheck source=SCRIPTDIR/flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/flags.sh"
read_flags 'name zone project' '' 'dry-run' "$@"
# shellcheck disable=SC2016  # expanded there, not here
on_hosts 'kill -TERM "$(cat sisr_jax/run.pid)"'
