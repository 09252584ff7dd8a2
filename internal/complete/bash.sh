# vwrap's completion for bash: eval "$(vwrap completion bash)" in ~/.bashrc
_vwrap() {
  local i line candidate current words=() replies=() files=""
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} == -- ]]; then # what follows is another's
      if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset $((i + 1))
      elif declare -F _command_offset >/dev/null; then
        _command_offset $((i + 1))
      elif ((COMP_CWORD == i + 1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
      else
        compopt -o default
      fi
      return
    fi
  done
  # bash ends words at "=" and ":", vwrap does not.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    current=${COMP_WORDS[i]}
    if ((i > 1)) && { [[ $current == [=:] ]] || [[ ${COMP_WORDS[i - 1]} == [=:] ]]; }; then
      words[${#words[@]} - 1]+=$current
    else
      words+=("$current")
    fi
  done
  current=${words[${#words[@]} - 1]}
  while IFS= read -r line; do
    candidate=${line%%$'\t'*}
    case $candidate in
      :files) files=yes ;;
      :nospace) compopt -o nospace ;;
      *) replies+=("$candidate") ;;
    esac
  done < <("${COMP_WORDS[0]}" __complete -- "${words[@]}" 2>/dev/null)
  local before=""
  if [[ $current == *=* && $COMP_WORDBREAKS == *=* ]]; then
    before=${current%"${current##*=}"}
  fi
  if [[ -n $files ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "${current#"$before"}")
    return
  fi
  for candidate in "${replies[@]}"; do
    COMPREPLY+=("${candidate#"$before"}")
  done
}
complete -F _vwrap vwrap
