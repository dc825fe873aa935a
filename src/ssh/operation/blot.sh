# Blots out what may be a secret in the lines that come in: who logs in to an address, what is asked of it,
# and what stands after a word for a secret.
blotted() {
  sed -E \
    -e 's#([a-z][a-z0-9+.-]*://)[^/[:space:]]*@#\1[redacted]@#Ig' \
    -e 's#([a-z][a-z0-9+.-]*://[^[:space:]?]*[?])[^[:space:]]*#\1[redacted]#Ig' \
    -e 's#(authorization["'\'']?[[:space:]]*[:=]).*#\1 [redacted]#I' \
    -e 's#((^|[^a-z0-9])(bearer|basic|apikey|negotiate)[[:space:]]+)[^[:space:]]+#\1[redacted]#Ig' \
    -e 's#([a-z0-9._-]*(pass|pwd|auth|cred|token|secret)[a-z0-9._-]*["'\'']?[[:space:]]*[:=][[:space:]]*)[^[:space:]]+#\1[redacted]#Ig' \
    -e 's#([a-z0-9._-]*key["'\'']?=)[^[:space:]]+#\1[redacted]#Ig' \
    -e 's#(--?[a-z0-9._-]*(pass|pwd|auth|cred|key|token|secret)[a-z0-9._-]*[[:space:]]+)[^[:space:]-][^[:space:]]*#\1[redacted]#Ig'
}
