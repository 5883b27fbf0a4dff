#!/usr/bin/env bash
# Deletes one TPU VM, or with --queued one request in the queue and its slice.
#
#     delete.sh --name sisr-1 --zone us-west4-a --project my-project \
#       [--queued] [--yes] [--dry-run]
#
# Asks first, unless --yes. Nothing else is deleted: what is in the bucket stays.
set -euo pipefail
# shellcheck source=SCRIPTDIR/flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/flags.sh"
read_flags 'name zone project' '' 'queued yes dry-run' "$@"

if [[ -z ${flag[yes]:-}${flag[dry-run]:-} ]]; then
  [[ -t 0 ]] || fail "--yes: missing, and nobody to ask whether to delete ${flag[name]}"
  read -r -p "Delete ${flag[name]} in ${flag[project]}, ${flag[zone]}? Type its name: " answer
  [[ $answer == "${flag[name]}" ]] || fail "nothing was deleted"
fi
place=("--project=${flag[project]}" "--zone=${flag[zone]}" --quiet)
if [[ -n ${flag[queued]:-} ]]; then
  do_or_show gcloud compute tpus queued-resources delete "${flag[name]}" "${place[@]}" --force
else
  do_or_show gcloud compute tpus tpu-vm delete "${flag[name]}" "${place[@]}"
fi
