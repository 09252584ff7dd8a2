#compdef vwrap
# vwrap's completion for zsh: eval "$(vwrap completion zsh)" in ~/.zshrc after compinit, or this in a file _vwrap of $fpath
_vwrap() {
  local line candidate about end files="" space=()
  local -a replies
  end=${words[(i)--]}
  if (( end < CURRENT )); then # what follows is another's
    shift $end words
    (( CURRENT -= end ))
    _normal
    return
  fi
  while IFS= read -r line; do
    candidate=${line%%$'\t'*}
    about=
    [[ $line == *$'\t'* ]] && about=${line#*$'\t'}
    case $candidate in
      :files) files=yes ;;
      :nospace) space=(-S '') ;;
      *) replies+=("${candidate//:/\\:}${about:+:$about}") ;;
    esac
  done < <("${words[1]}" __complete -- "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)
  if [[ -n $files ]]; then
    compset -P '*='
    _files
    return
  fi
  (( $#replies )) && _describe vwrap replies $space
}
if [[ ${funcstack[1]} == _vwrap ]]; then
  _vwrap "$@"
else
  compdef _vwrap vwrap
fi
