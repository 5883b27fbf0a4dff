#!/usr/bin/env bash
# Starts training, or resumes it, with the same command on every host.
#
#     run.sh --name sisr-1 --zone us-west4-a --project my-project \
#       --bucket my-bucket --run ct/first --config configs/ct_srgan.py [--dry-run] \
#       [-- --config.data.source=folder --config.data.path=gs://my-bucket/slices]
#
# What follows `--` goes to `sisr_jax.main`. The working folder is gs://BUCKET/RUN: the
# newest checkpoint there is where a run goes on, also on another slice. Training
# outlives the connection; a host where it already runs refuses to start it twice.
set -euo pipefail
# shellcheck source=SCRIPTDIR/flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/flags.sh"
read_flags 'name zone project bucket run config' '' 'dry-run' "$@"

train=(
  .venv/bin/python -m sisr_jax.supervise -- .venv/bin/python -m sisr_jax.main
  "--config=${flag[config]}" "--workdir=gs://${flag[bucket]}/${flag[run]}"
  --coordinator=auto "${rest[@]}"
)
# shellcheck disable=SC2016  # expanded there, not here
on_hosts 'cd sisr_jax; if [ -f run.pid ] && kill -0 "$(cat run.pid)" 2>/dev/null; '\
'then echo "already running"; exit 1; fi; '\
"nohup $(quoted "${train[@]}") >> run.log 2>&1 < /dev/null & echo \$! > run.pid"
