{{- /* The names and hashes of identity or person number {{.}}, as population.go makes them. The numbers in front of
       each part are its length: see schemas.IdentityHash and schemas.KeyHash. */ -}}
{{define "appid"}}concat('wxbench000000000', toString(1 + ({{.}}) % 3)){{end}}
{{define "openid"}}concat('o', leftPad(toString({{.}}), 27, '0')){{end}}
{{define "unionid"}}concat('u', leftPad(toString({{.}}), 27, '0')){{end}}
{{define "identity"}}xxHash64(concat(unhex('00000015'), 'unionlink.identity.v1', unhex('00000011'), {{template "appid" .}}, unhex('0000001C'), {{template "openid" .}})){{end}}
{{define "key"}}xxHash64(concat(unhex('00000010'), 'unionlink.key.v1', unhex('00000005'), 'bench', unhex('0000001C'), {{template "unionid" .}})){{end}}
