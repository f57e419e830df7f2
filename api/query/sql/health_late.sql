-- How long after their first event identities were first linked, those that were linked later at all, in milliseconds.
SELECT count() AS links, quantilesExact(0.5, 0.95)(late) AS lags
FROM
(
    SELECT toInt64(toUnixTimestamp64Milli(l.linked)) - toInt64(toUnixTimestamp64Milli(i.seen)) AS late
    FROM
    (
        SELECT identity, min(learnt) AS linked FROM persons
        WHERE person != identity{{if .Log}} AND learnt <= {{template "as_of"}}{{end}}
        GROUP BY identity
    ) AS l
    INNER JOIN
    (
        SELECT identity, min(first_seen) AS seen FROM identities
        WHERE identity IN {{template "asked_identities" .}}
        GROUP BY identity
    ) AS i ON i.identity = l.identity
    WHERE late > 0
    {{- if .From}} AND l.linked >= {{template "from"}}{{end}}
    {{- if .To}} AND l.linked < {{template "to"}}{{end}}
)
