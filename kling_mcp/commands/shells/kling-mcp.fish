# Completion of kling-mcp for fish: kling-mcp completion fish > ~/.config/fish/completions/kling-mcp.fish
function __kling_mcp_complete
    set -l typed (commandline -opc) (commandline -ct)
    kling-mcp completion words fish $typed[2..-1] 2>/dev/null
end
complete -c kling-mcp -f -a '(__kling_mcp_complete)'
complete -c kling-mcp -n 'test (count (__kling_mcp_complete)) -eq 0' -F
