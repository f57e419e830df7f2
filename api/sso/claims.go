package sso

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/unionlink/unionlink/api/access"
)

// user is who a verified ID token is of. The name is for the audit; its prefix keeps it
// apart from the names of tokens.
func (s *SignOn) user(token *oidc.IDToken) (access.User, error) {
	var claims struct {
		Email    string `json:"email"`
		Verified any    `json:"email_verified"` // some providers write it as a text
		Party    string `json:"azp"`
	}
	all := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return access.User{}, fmt.Errorf("%w: its claims cannot be read", ErrRefused)
	}
	if err := token.Claims(&all); err != nil {
		return access.User{}, fmt.Errorf("%w: its claims cannot be read", ErrRefused)
	}
	if claims.Party != "" && claims.Party != s.cfg.ClientID {
		return access.User{}, fmt.Errorf("%w: the token was issued to another party", ErrRefused)
	}
	verified := claims.Verified == true || claims.Verified == "true"
	if len(s.cfg.AllowedDomains) > 0 && !(verified && s.allows(claims.Email)) {
		return access.User{}, fmt.Errorf("%w: the e-mail address is of no allowed domain, or not verified", ErrNoRole)
	}
	role, found := s.role(valuesAt(all, s.cfg.RoleClaim))
	if !found {
		return access.User{}, fmt.Errorf("%w: the claim %s has none of the configured roles", ErrNoRole, s.cfg.RoleClaim)
	}
	name := token.Subject
	if verified && claims.Email != "" {
		name = claims.Email
	}
	return access.User{Name: "oidc:" + name, Role: role}, nil
}

func (s *SignOn) allows(email string) bool {
	_, domain, _ := strings.Cut(email, "@")
	return slices.ContainsFunc(s.cfg.AllowedDomains, func(d string) bool { return strings.EqualFold(d, domain) })
}

// role is the highest of the values' roles.
func (s *SignOn) role(values []string) (access.Role, bool) {
	if s.cfg.RoleClaim == "" {
		return access.RoleAnalyst, true
	}
	best := -1
	for _, v := range values {
		if role, ok := s.cfg.Roles[v]; ok {
			best = max(best, slices.Index(access.Roles, role))
		}
	}
	if best < 0 {
		return "", false
	}
	return access.Roles[best], true
}

// valuesAt are the texts at a claim: its name as it is, else a way into objects.
func valuesAt(claims map[string]any, name string) []string {
	value, found := claims[name]
	if outer, inner, dotted := strings.Cut(name, "."); !found && dotted {
		if object, ok := claims[outer].(map[string]any); ok {
			return valuesAt(object, inner)
		}
	}
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, one := range v {
			if text, ok := one.(string); ok {
				out = append(out, text)
			}
		}
		return out
	}
	return nil
}
