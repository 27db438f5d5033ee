#compdef kling-mcp
# Completion of kling-mcp for zsh. In ~/.zshrc: eval "$(kling-mcp completion zsh)"
_kling_mcp() {
    local -a lines names others
    lines=("${(@f)$("${(Q)words[1]/#\~/$HOME}" completion words zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    lines=("${(@)lines%%$'\t'*}")
    lines=("${(@)lines:#}")
    names=("${(@M)lines:#*=}")
    others=("${(@)lines:#*=}")
    if (( ! $#names && ! $#others )); then
        compset -P '*='
        _files
        return
    fi
    # An argument's value follows its name at once.
    (( $#names )) && compadd -S '' -a names
    (( $#others )) && compadd -a others
    return 0
}
if [[ ${funcstack[1]} == _kling_mcp ]]; then
    _kling_mcp "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _kling_mcp kling-mcp
fi
