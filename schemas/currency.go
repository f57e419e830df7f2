package schemas

import "strings"

// currencies are the ISO 4217 codes of money in use, grouped by the number of
// digits of their minor unit (ISO 4217:2015, list one, amendment 176).
var currencies = func() map[string]int {
	byDigits := map[int]string{
		0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
		3: "BHD IQD JOD KWD LYD OMR TND",
		2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY " +
			"COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR " +
			"IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD " +
			"NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC " +
			"SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
	}
	all := make(map[string]int)
	for digits, codes := range byDigits {
		for code := range strings.FieldsSeq(codes) {
			all[code] = digits
		}
	}
	return all
}()

// KnownCurrency tells whether code is an ISO 4217 code of money in use, in capitals.
func KnownCurrency(code string) bool { _, ok := currencies[code]; return ok }

// MinorDigits is how many decimal digits the currency's minor unit has: 2 for
// CNY, 0 for JPY, 3 for KWD; 2 for a code that is not known.
func MinorDigits(code string) int {
	if d, ok := currencies[code]; ok {
		return d
	}
	return 2
}
