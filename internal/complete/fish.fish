# vwrap's completion for fish: vwrap completion fish | source, in ~/.config/fish/config.fish
function __vwrap_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    if set -l end (contains -i -- -- $words) # what follows is another's
        set -e words[1..$end]
        complete -C "$(string join ' ' -- (string escape -- $words) $current)"
        return
    end
    for line in ($program __complete -- $words $current 2>/dev/null)
        switch $line
            case ':nospace'
            case ':files'
                set -l before (string match -r '^-[^=]*=' -- $current)
                set -l path (string replace -r '^-[^=]*=' '' -- $current)
                for file in (__fish_complete_path "$path")
                    printf "%s\n" "$before$file"
                end
            case '*'
                printf "%s\n" $line
        end
    end
end
complete -c vwrap -e
complete -c vwrap -f -k -a '(__vwrap_complete)'
