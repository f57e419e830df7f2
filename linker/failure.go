package linker

import (
	"errors"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// class is what is to be done about an error of the store.
type class string

const (
	// classTransient passes by itself: try again for ever, with back-off.
	classTransient class = "transient"
	// classSchema needs an operator: alarm, and try again; the events wait in the stream.
	classSchema class = "schema"
	// classData is the fault of a row: isolate it by splitting.
	classData class = "data"
)

// classes are ClickHouse's error codes (src/Common/ErrorCodes.cpp) that are not
// transient. A code that is not here is, since giving up on a good row loses it.
var classes = map[int32]class{
	8:   classSchema, // THERE_IS_NO_COLUMN
	16:  classSchema, // NO_SUCH_COLUMN_IN_TABLE
	20:  classSchema, // NUMBER_OF_COLUMNS_DOESNT_MATCH
	44:  classSchema, // ILLEGAL_COLUMN
	46:  classSchema, // UNKNOWN_FUNCTION
	47:  classSchema, // UNKNOWN_IDENTIFIER
	60:  classSchema, // UNKNOWN_TABLE
	81:  classSchema, // UNKNOWN_DATABASE
	192: classSchema, // UNKNOWN_USER
	193: classSchema, // WRONG_PASSWORD
	194: classSchema, // REQUIRED_PASSWORD
	291: classSchema, // DATABASE_ACCESS_DENIED
	497: classSchema, // ACCESS_DENIED
	516: classSchema, // AUTHENTICATION_FAILED

	6:   classData, // CANNOT_PARSE_TEXT
	26:  classData, // CANNOT_PARSE_QUOTED_STRING
	27:  classData, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
	38:  classData, // CANNOT_PARSE_DATE
	41:  classData, // CANNOT_PARSE_DATETIME
	53:  classData, // TYPE_MISMATCH
	69:  classData, // ARGUMENT_OUT_OF_BOUND
	70:  classData, // CANNOT_CONVERT_TYPE
	117: classData, // INCORRECT_DATA
	321: classData, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
	407: classData, // DECIMAL_OVERFLOW
	469: classData, // VIOLATED_CONSTRAINT
	691: classData, // UNKNOWN_ELEMENT_OF_ENUM
}

func classify(err error) class {
	var server *clickhouse.Exception
	if errors.As(err, &server) {
		if c, ok := classes[server.Code]; ok {
			return c
		}
		return classTransient
	}
	var value *column.Error
	var converter *column.ColumnConverterError
	var block *proto.BlockError
	if errors.As(err, &value) || errors.As(err, &converter) || errors.As(err, &block) {
		return classData
	}
	return classTransient
}
