package app

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// publishers are the logins of back ends that publish straight to the embedded NATS: the
// configured ones, and one a configured account, named by its appid, whose password is
// made at its first start and kept in credentials.json. made holds those passwords by appid.
func (a *App) publishers() (users []NATSUser, made map[string]string, err error) {
	old, err := ReadCredentials(a.cfg.Data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	users, made = slices.Clone(a.cfg.NATS.Users), map[string]string{}
	for _, appid := range a.appids() {
		taken := func(u NATSUser) bool { return u.User == appid }
		if appid == natsUser || slices.ContainsFunc(a.cfg.NATS.Users, taken) {
			continue
		}
		made[appid] = old.NATSUsers[appid]
		if made[appid] == "" {
			made[appid] = newSecret()
		}
		users = append(users, NATSUser{User: appid, Password: made[appid], AppIDs: []string{appid}})
	}
	return users, made, nil
}

// InboxPrefix is where a publisher's answers arrive, and the prefix its client must be
// told: under the usual one it could read what is delivered to the linker.
func InboxPrefix(user string) string { return "_INBOX." + user }

// publisherUser is a login that publishes its accounts' events and gets the stream's
// acknowledgements. What the subjects are named by is no pattern, or it would also
// match dead letters.
func publisherUser(u NATSUser) embedded.NATSUser {
	user := embedded.NATSUser{User: u.User, Password: u.Password, SubscribeAllow: []string{InboxPrefix(u.User) + ".>"}}
	for _, appid := range u.AppIDs {
		for _, kind := range schemas.Kinds {
			user.PublishAllow = append(user.PublishAllow, stream.Subject(kind, appid))
		}
	}
	return user
}

// isToken tells whether a name may be one part of a subject.
func isToken(name string) bool { return name != "" && !strings.ContainsAny(name, ".*> \t\r\n") }
