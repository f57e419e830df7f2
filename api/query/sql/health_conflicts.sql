-- In how many spaces of an identity more than one value stands.
SELECT countIf(length(arrayDistinct(arrayMap(h -> h.3, holds))) > 1) AS conflicts
FROM
(
{{template "standing" .}} AND s.identity IN {{template "asked_identities" .}}
    GROUP BY identity, space
)
