# Sourced by the scripts beside it: flags, their checks, and commands shown or run.
#
# A script calls `read_flags REQUIRED OPTIONAL SWITCHES "$@"` with names of flags. Then
# `--name value` and `--name=value` are flag[name], a switch that is given is "yes", and
# what follows `--` is the array `rest`.
# shellcheck shell=bash

((BASH_VERSINFO[0] * 10 + BASH_VERSINFO[1] >= 44)) || {
  echo "error: bash $BASH_VERSION: expected 4.4 or later" >&2
  exit 2
}

# The first lines of the script that was called are its help.
for word; do
  case $word in
    --) break ;;
    -h | --help)
      sed -n '2,${/^#/!q; s/^# \{0,1\}//p}' "$0"
      exit 0
      ;;
  esac
done

declare -A flag=()
rest=()

# What a value must look like: no blank, no quote, nothing that a shell expands.
declare -Ar pattern=(
  [name]='^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$'
  [zone]='^[a-z]+-[a-z]+[0-9]+-[a-z]$'
  [project]='^([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]$'
  [type]='^(v4|v5p|v5litepod|v6e)-[1-9][0-9]*$'
  [bucket]='^[a-z0-9][-_.a-z0-9]{1,61}[a-z0-9]$'
  [run]='^[A-Za-z0-9][-_.A-Za-z0-9]*(/[A-Za-z0-9][-_.A-Za-z0-9]*)*$'
  [config]='^(configs/[a-z0-9_]+\.py|[a-z0-9_]+)(:[a-z]+)?$'
  [revision]='^[A-Za-z0-9][-_./A-Za-z0-9]*$'
)
declare -Ar example=(
  [name]=sisr-1 [zone]=us-west4-a [project]=my-project [type]=v5litepod-8
  [bucket]=my-bucket [run]=ct/first [config]=configs/ct_srgan.py [revision]=HEAD
)

fail() {
  printf '%s: error: %s\n' "$(basename "$0")" "$1" >&2
  exit 2
}

read_flags() {
  local required=$1 optional=$2 switches=$3 key value
  shift 3
  while (($#)); do
    value=
    case $1 in
      --)
        rest=("${@:2}")
        break
        ;;
      --*=*) key=${1%%=*} value=${1#*=} ;;
      --*) key=$1 ;;
      *) fail "'$1': expected --flags; --help tells them" ;;
    esac
    key=${key#--}
    if is_in "$key" "$switches"; then
      [[ $1 == "--$key" ]] || fail "--$key: expected no value"
      value=yes
    elif ! is_in "$key" "$required $optional"; then
      fail "--$key: unknown; known: $required $optional $switches"
    elif [[ $1 == "--$key" ]]; then
      value=${2:-}
      (($# == 1)) || shift
    fi
    shift
    flag[$key]=$value
    is_in "$key" "$switches" || check_value "$key"
  done
  for key in $required; do
    [[ -n ${flag[$key]:-} ]] || fail "--$key: missing, for instance --$key ${example[$key]}"
  done
}

check_value() {
  [[ ${flag[$1]} =~ ${pattern[$1]} ]] ||
    fail "--$1 '${flag[$1]}': expected something like ${example[$1]}"
}

is_in() { [[ " $2 " == *" $1 "* ]]; }

# Words as a shell reads them back: bare where that is safe, else in single quotes.
quoted() {
  local word separator=''
  for word; do
    if [[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]]; then
      printf '%s%s' "$separator" "$word"
    else
      printf "%s'%s'" "$separator" "${word//\'/\'\\\'\'}"
    fi
    separator=' '
  done
}

# do_or_show COMMAND...: prints the command, and runs it unless --dry-run.
do_or_show() {
  printf '%s\n' "$(quoted "$@")"
  [[ -n ${flag[dry-run]:-} ]] || "$@"
}

# on_hosts COMMAND: the same command on every host of the slice.
on_hosts() {
  do_or_show gcloud compute tpus tpu-vm ssh "${flag[name]}" \
    "--project=${flag[project]}" "--zone=${flag[zone]}" --worker=all "--command=$1"
}
