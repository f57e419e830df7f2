package api

import (
	"mime"
	"strconv"
	"strings"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/export"
)

// format is how the caller wants the answer: by the parameter, else by Accept, else
// JSON. Anything but JSON needs the right to export.
func (c *call) format() (export.Format, error) {
	s, err := c.values.choice("format", "")
	if err != nil {
		return "", err
	}
	f := export.Format(s)
	if s == "" {
		f = accepted(c.r.Header.Get("Accept"))
	}
	if f != export.FormatJSON && !c.user.May(access.RightExport) {
		return "", problem("forbidden", "the role %s may ask for JSON only", c.user.Role)
	}
	return f, nil
}

// accepted is the format that an Accept header prefers: the one of the greatest weight,
// of equal ones the first; JSON where it names none that there is.
func accepted(header string) export.Format {
	best, weight := export.FormatJSON, 0.0
	for _, part := range strings.Split(header, ",") {
		typ, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				continue
			}
		}
		if f, ok := mediaTypes[typ]; ok && q > weight {
			best, weight = f, q
		}
	}
	return best
}

// mediaTypes are the formats by media type, without parameters.
var mediaTypes = map[string]export.Format{
	"application/json":                    export.FormatJSON,
	"application/*":                       export.FormatJSON,
	"*/*":                                 export.FormatJSON,
	"text/csv":                            export.FormatCSV,
	"application/x-ndjson":                export.FormatNDJSON,
	"application/vnd.apache.parquet":      export.FormatParquet,
	"application/vnd.apache.arrow.stream": export.FormatArrow,
}
