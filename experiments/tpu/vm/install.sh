#!/usr/bin/env bash
# Puts a commit of this repository on every host and installs it there.
#
#     install.sh --name sisr-1 --zone us-west4-a --project my-project \
#       [--revision HEAD] [--dry-run]
#
# The images have Python 3.10, which is too old, so uv brings Python 3.11, on which
# the project is tested.
# What is not committed stays here. Running it again replaces the code and keeps runs.
set -euo pipefail
# shellcheck source=SCRIPTDIR/flags.sh
source "$(dirname "${BASH_SOURCE[0]}")/flags.sh"
read_flags 'name zone project' 'revision' 'dry-run' "$@"

archive=/tmp/sisr_jax_${flag[name]}.tar.gz
do_or_show git archive --format=tar.gz "--output=$archive" "${flag[revision]:-HEAD}"
do_or_show gcloud compute tpus tpu-vm scp "$archive" "${flag[name]}:sisr_jax.tar.gz" \
  "--project=${flag[project]}" "--zone=${flag[zone]}" --worker=all
on_hosts 'set -e; mkdir -p sisr_jax; tar -xzf sisr_jax.tar.gz -C sisr_jax; '\
'curl -LsSf https://astral.sh/uv/install.sh | sh; cd sisr_jax; '\
'~/.local/bin/uv venv --allow-existing --python 3.11; '\
'~/.local/bin/uv pip install -e ".[tpu,gcs]"'
on_hosts 'cd sisr_jax; .venv/bin/python -c "import jax; print(jax.local_devices())"'
