#!/usr/bin/env bash
# Creates a TPU VM, or with --queued asks for a slice (one or many hosts) in the queue.
#
#     create.sh --name sisr-1 --zone us-west4-a --project my-project \
#       --type v5litepod-8 [--queued] [--spot] [--dry-run]
set -euo pipefail
# shellcheck source=SCRIPTDIR/flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/flags.sh"
read_flags 'name zone project type' '' 'queued spot dry-run' "$@"

# The images that Google names for each chip; all have Ubuntu 22.04.
case ${flag[type]} in
  v4-*) image=tpu-ubuntu2204-base ;;
  v5p-*) image=v2-alpha-tpuv5 ;;
  v5litepod-*) image=v2-alpha-tpuv5-lite ;;
  v6e-*) image=v2-alpha-tpuv6e ;;
esac
place=("--project=${flag[project]}" "--zone=${flag[zone]}" "--accelerator-type=${flag[type]}")
[[ -z ${flag[spot]:-} ]] || place+=(--spot)

if [[ -n ${flag[queued]:-} ]]; then
  do_or_show gcloud compute tpus queued-resources create "${flag[name]}" \
    "--node-id=${flag[name]}" "${place[@]}" "--runtime-version=$image"
  # It says WAITING_FOR_RESOURCES, then PROVISIONING, then ACTIVE.
  do_or_show gcloud compute tpus queued-resources describe "${flag[name]}" \
    "--project=${flag[project]}" "--zone=${flag[zone]}" '--format=value(state.state)'
else
  do_or_show gcloud compute tpus tpu-vm create "${flag[name]}" "${place[@]}" "--version=$image"
fi
