#!/usr/bin/env bash
# Looks at a run: what the hosts say, the last numbers, TensorBoard here.
#
#     watch.sh logs --name sisr-1 --zone us-west4-a --project my-project [--dry-run]
#     watch.sh metrics --bucket my-bucket --run ct/first [--dry-run]
#     watch.sh tensorboard --bucket my-bucket --run ct/first [--dry-run]
set -euo pipefail
# shellcheck source=SCRIPTDIR/flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/flags.sh"
what=${1:-}
(($# == 0)) || shift
case $what in
  logs) required='name zone project' ;;
  metrics | tensorboard) required='bucket run' ;;
  *) fail "'$what': expected logs, metrics or tensorboard" ;;
esac
read_flags "$required" '' dry-run "$@"

case $what in
  logs)
    # shellcheck disable=SC2016  # expanded there, not here
    on_hosts 'cd sisr_jax; hostname; tail -n 20 run.log; '\
'if kill -0 "$(cat run.pid)" 2>/dev/null; then echo running; else echo ended; fi'
    ;;
  metrics)
    # The last 4 kB hold the last records.
    do_or_show gcloud storage cat --range=-4096 \
      "gs://${flag[bucket]}/${flag[run]}/metrics.jsonl"
    ;;
  tensorboard)
    here=runs/${flag[run]}/tensorboard
    do_or_show mkdir -p "$here"
    do_or_show gcloud storage rsync --recursive \
      "gs://${flag[bucket]}/${flag[run]}/tensorboard" "$here"
    do_or_show uvx tensorboard "--logdir=$here"
    ;;
esac
