# Completion of kling-mcp for bash. In ~/.bashrc: eval "$(kling-mcp completion bash)"
_kling_mcp() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        line=${line%%$'\t'*}
        case $line in
            *=) COMPREPLY+=("$line") ;;
            *) COMPREPLY+=("$(printf '%q' "$line")") ;;
        esac
    done < <("${COMP_WORDS[0]/#\~/$HOME}" completion words bash "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    # An argument's value follows its name at once. Older versions of bash cannot be told.
    if [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace 2>/dev/null || true
    fi
}
complete -o default -F _kling_mcp kling-mcp
