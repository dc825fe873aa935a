# The checksum of the image that boots next, where that is not the one that is booted: what stands first
# among the deployments.
pending() {
  status=$(rpm-ostree status --json 2>/dev/null </dev/null) || return 1
  printf '%s\n' "$status" | awk '
    { text = text $0 }
    END {
      n = length(text)
      for (i = 1; i <= n; i++) {
        c = substr(text, i, 1)
        if (c == "\"") {
          word = ""
          while (++i <= n && (c = substr(text, i, 1)) != "\"") {
            if (c == "\\") c = substr(text, ++i, 1)
            word = word c
          }
          if (is_value && depth == 3 && key == "checksum") sum = word
          if (!is_value) { key = word; if (depth == 1) list = word }
        } else if (c == "{" || c == "[") {
          depth++
          is_value = 0
        } else if (c == "}" || c == "]") {
          if (depth == 3 && list == "deployments") {
            if (!is_booted) print sum
            exit
          }
          depth--
        } else if (c == ":") is_value = 1
        else if (c == ",") is_value = 0
        else if (c == "t" && is_value && depth == 3 && key == "booted") is_booted = 1
      }
    }'
}
# The packages that are not the same in another image: by their names alone, or with version and
# architecture, of which an epoch may be a part.
differences() {
  printf '%s\n' "$said" | awk '
    /^  [^ ]/ || /^[-!=+][^- ]/ {
      name = $1
      sub(/^[-!=+]/, "", name)
      print name
      sub(/[.-](x86_64|aarch64|noarch|i[3-6]86|ppc64le|s390x|riscv64)$/, "", name)
      if (NF == 1) sub(/-[^-]*-[^-]*$/, "", name)
      print name
    }'
}
