-- When which identity went from which person to which, and by which event: {{if .Member}}of all that ever were of {person}{{else}}of everybody since {since}{{end}}.
SELECT i.appid AS appid, i.openid AS openid, c.identity AS identity, c.was AS was, c.person AS person, c.learnt AS learnt, c.cause AS cause
FROM
(
    SELECT identity, arrayJoin(arrayMap((s, i) -> (s.1, if(i = 1, identity, steps[i - 1].2), s.2, s.3), steps, arrayEnumerate(steps))) AS step,
           step.1 AS learnt, step.2 AS was, step.3 AS person, step.4 AS cause
    FROM
    (
        SELECT identity, arraySort(groupArray((learnt, person, cause))) AS steps
        FROM persons FINAL
        WHERE {{if .Member}}identity IN {{template "candidates"}}{{else}}identity IN (SELECT identity FROM persons WHERE learnt >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')){{end}}
        {{- if .Log}} AND learnt <= {{template "as_of"}}{{end}}
        GROUP BY identity
    )
    WHERE was != person{{if not .Member}} AND learnt >= fromUnixTimestamp64Micro({since:Int64}, 'UTC'){{end}}
    {{- if .After}} AND (toUnixTimestamp64Milli(learnt), identity) > ({after_at:Int64}, {after_identity:UInt64}){{end}}
) AS c
INNER JOIN (SELECT t.identity AS identity, any(t.appid) AS appid, any(t.openid) AS openid FROM identities AS t WHERE 1{{template "may_see" .}}
    {{- if .Member}} AND t.identity IN {{template "candidates"}}{{end}} GROUP BY identity) AS i ON i.identity = c.identity
ORDER BY c.learnt, c.identity
{{- if .Limit}}
LIMIT {limit:UInt64}{{end}}
