package server

import (
	"fmt"
	"net/url"
)

// Token is an authorization as it was made.
type Token struct {
	Name   string `json:"name"`
	ID     string `json:"id"`
	Token  string `json:"token"`
	Status string `json:"status"`
}

// Facts says what was put into a store.
type Facts struct {
	Release   string            `json:"release"`
	Orgs      map[string]string `json:"orgs"`
	Users     map[string]string `json:"users"`
	Passwords map[string]string `json:"passwords"`
	Buckets   map[string]string `json:"buckets"`
	Tokens    []Token           `json:"tokens"`
}

// Operator returns the token that setup made.
func (f *Facts) Operator() string { return f.Tokens[0].Token }

// Permission is one of a token, as the API has it.
type Permission map[string]any

// Grant is a permission, limited by an ID or an organization unless they are empty.
func Grant(action, kind, id, org string) Permission {
	resource := map[string]any{"type": kind}
	if id != "" {
		resource["id"] = id
	}
	if org != "" {
		resource["orgID"] = org
	}
	return Permission{"action": action, "resource": resource}
}

// types are the resource types of 2.2 and later, without instance.
var types = []string{
	"authorizations", "buckets", "dashboards", "orgs", "sources", "tasks", "telegrafs", "users",
	"variables", "scrapers", "secrets", "labels", "views", "documents", "notificationRules",
	"notificationEndpoints", "checks", "dbrp", "notebooks", "annotations", "remotes", "replications",
}

// OperatorPermissions are those of an operator token.
func OperatorPermissions() []Permission { return OperatorOf(len(types)) }

// OperatorOf are those of a release with so many types: 18 in 2.0, 20 in 2.1.
func OperatorOf(number int) []Permission {
	var list []Permission
	for _, kind := range types[:number] {
		list = append(list, Grant("read", kind, "", ""), Grant("write", kind, "", ""))
	}
	return list
}

func allAccess(org, user string) []Permission { return AllAccessOf(len(types), org, user, "") }

// AllAccessOf are those of an all-access token of a release with so many types: on one user, or on the
// users of an organization.
func AllAccessOf(number int, org, user, users string) []Permission {
	list := []Permission{Grant("read", "orgs", org, "")}
	list = append(list, Grant("read", "users", user, users), Grant("write", "users", user, users))
	for _, kind := range types[:number] {
		if kind != "orgs" && kind != "users" {
			list = append(list, Grant("read", kind, "", org), Grant("write", kind, "", org))
		}
	}
	return list
}

func readAll(org string) []Permission {
	list := []Permission{Grant("read", "orgs", org, "")}
	for _, kind := range types {
		if kind != "orgs" {
			list = append(list, Grant("read", kind, "", org))
		}
	}
	return list
}

// Setup does what a new server's first page does.
func (s *Server) Setup(release, chosenToken string) (*Facts, error) {
	var answer struct {
		Auth   struct{ ID, Token, Status string }
		Org    struct{ ID string }
		User   struct{ ID string }
		Bucket struct{ ID string }
	}
	request := map[string]any{
		"username": "alice", "password": "correct horse battery", "org": "acme", "bucket": "metrics",
	}
	if chosenToken != "" {
		request["token"] = chosenToken
	}
	if err := s.Must("", "POST", "/api/v2/setup", request, &answer); err != nil {
		return nil, err
	}
	return &Facts{
		Release:   release,
		Orgs:      map[string]string{"acme": answer.Org.ID},
		Users:     map[string]string{"alice": answer.User.ID},
		Passwords: map[string]string{"alice": "correct horse battery"},
		Buckets:   map[string]string{"metrics": answer.Bucket.ID},
		Tokens:    []Token{{"alice's Token", answer.Auth.ID, answer.Auth.Token, answer.Auth.Status}},
	}, nil
}

// AddToken makes an authorization and adds it to the facts.
func (s *Server) AddToken(f *Facts, name, org, user string, permissions []Permission) (Token, error) {
	request := map[string]any{
		"orgID": f.Orgs[org], "description": name, "permissions": permissions,
	}
	if user != "" {
		request["userID"] = f.Users[user]
	}
	var token Token
	err := s.Must(f.Operator(), "POST", "/api/v2/authorizations", request, &token)
	token.Name = name
	f.Tokens = append(f.Tokens, token)
	return token, err
}

// AddDevices makes n tokens that may write one bucket, as a fleet has them.
func (s *Server) AddDevices(f *Facts, n int) error {
	org := f.Orgs["acme"]
	for i := range n {
		permissions := []Permission{
			Grant("write", "buckets", f.Buckets["metrics"], org), Grant("read", "buckets", "", org),
		}
		if _, err := s.AddToken(f, fmt.Sprintf("device %05d", i), "acme", "", permissions); err != nil {
			return err
		}
	}
	return nil
}

// Live fills a store with what a few years leave behind: several organizations and users, one
// of each deleted, tokens of all kinds, orphans, a 1.x authorization, an embedded token, a secret,
// a task, a shard.
func (s *Server) Live(f *Facts) error {
	l := &life{s: s, f: f}
	l.org("beta & co", "second <org> & more")
	l.org("gone", "will be deleted")
	for _, name := range []string{"bob", "leaver", "sleeper"} {
		l.user(name)
	}
	l.do("POST", "/api/v2/users/"+f.Users["bob"]+"/password", map[string]string{"password": "another good one 7"}, nil)
	f.Passwords["bob"] = "another good one 7"
	l.do("POST", "/api/v2/orgs/"+f.Orgs["beta & co"]+"/owners", map[string]string{"id": f.Users["bob"]}, nil)
	l.bucket("cold storage", "beta & co")
	acme, beta := f.Orgs["acme"], f.Orgs["beta & co"]
	metrics := f.Buckets["metrics"]

	l.token("second operator", "acme", "bob", OperatorPermissions())
	l.token("operator of the deleted organization", "gone", "alice", OperatorPermissions())
	l.token("all access one", "acme", "alice", allAccess(acme, f.Users["alice"]))
	l.token("all access two", "beta & co", "bob", allAccess(beta, f.Users["bob"]))
	l.token("read all", "acme", "alice", readAll(acme))
	l.token("Zähler \"quoted\" <&> \u2028 日本 \u202e\u001b[31m", "acme", "alice",
		[]Permission{Grant("read", "buckets", metrics, acme)})
	l.token("write both", "acme", "alice", []Permission{
		Grant("write", "buckets", metrics, acme), Grant("read", "buckets", metrics, acme)})
	l.token("any bucket", "beta & co", "bob", []Permission{Grant("write", "buckets", "", beta)})
	l.token("=HYPERLINK(\"x\")", "beta & co", "bob", []Permission{Grant("read", "tasks", "", "")})
	l.token("names of users", "acme", "bob", []Permission{
		Grant("read", "users", f.Users["leaver"], ""), Grant("read", "users", f.Users["bob"], ""),
		Grant("read", "orgs", f.Orgs["gone"], ""), Grant("read", "orgs", beta, "")})
	off := l.token("switched off", "acme", "alice", []Permission{Grant("read", "buckets", "", acme)})
	l.token("of the leaver", "acme", "leaver", []Permission{Grant("read", "buckets", "", acme)})
	l.token("of the sleeper", "acme", "sleeper", []Permission{Grant("read", "buckets", "", acme)})
	l.token("tasks and dashboards", "acme", "alice", []Permission{
		Grant("write", "tasks", "", acme), Grant("read", "dashboards", "", acme)})
	deleted := l.token("deleted again", "acme", "alice", []Permission{Grant("read", "tasks", "", acme)})
	embedded := l.token("telegraf", "acme", "alice", []Permission{Grant("write", "buckets", metrics, acme)})
	if l.err == nil {
		l.err = s.AddDevices(f, 20)
	}

	l.do("PATCH", "/api/v2/authorizations/"+off.ID, map[string]string{"status": "inactive"}, nil)
	l.do("DELETE", "/api/v2/authorizations/"+deleted.ID, nil, nil)
	l.do("POST", "/api/v2/telegrafs", map[string]any{
		"name": "agent", "description": "", "orgID": acme,
		"config": "[[outputs.influxdb_v2]]\n  urls = [\"http://localhost:8086\"]\n  token = \"" + embedded.Token + "\"\n",
	}, nil)
	l.do("PATCH", "/api/v2/orgs/"+acme+"/secrets", map[string]string{"slack": "not a token"}, nil)
	l.do("POST", "/api/v2/tasks", map[string]any{
		"orgID": acme,
		"flux":  "option task = {name: \"t\", every: 24h}\nfrom(bucket: \"metrics\") |> range(start: -1h)",
	}, nil)
	var legacy Token
	l.do("POST", "/private/legacy/authorizations", map[string]any{
		"token": "collectd", "orgID": acme, "userID": f.Users["alice"], "description": "1.x client",
		"permissions": []Permission{Grant("write", "buckets", metrics, acme)},
	}, &legacy)
	l.do("POST", "/private/legacy/authorizations/"+legacy.ID+"/password",
		map[string]string{"password": "legacy pass 9"}, nil)
	f.Passwords["collectd (1.x)"] = "legacy pass 9"
	l.do("POST", "/api/v2/write?org="+acme+"&bucket="+metrics, "m,h=a v=1 1700000000000000000", nil)
	l.do("DELETE", "/api/v2/users/"+f.Users["leaver"], nil, nil)
	l.do("PATCH", "/api/v2/users/"+f.Users["sleeper"], map[string]string{"status": "inactive"}, nil)
	l.do("DELETE", "/api/v2/orgs/"+f.Orgs["gone"], nil, nil)
	for i := range f.Tokens {
		switch f.Tokens[i].Name {
		case off.Name:
			f.Tokens[i].Status = "inactive"
		case deleted.Name:
			f.Tokens[i].Status = "deleted"
		}
	}
	return l.err
}

// life makes requests until one fails.
type life struct {
	s   *Server
	f   *Facts
	err error
}

func (l *life) do(method, path string, body, out any) {
	if l.err == nil {
		l.err = l.s.Must(l.f.Operator(), method, path, body, out)
	}
}

func (l *life) org(name, description string) {
	var answer struct{ ID string }
	l.do("POST", "/api/v2/orgs", map[string]string{"name": name, "description": description}, &answer)
	l.f.Orgs[name] = answer.ID
}

func (l *life) user(name string) {
	var answer struct{ ID string }
	l.do("POST", "/api/v2/users", map[string]string{"name": name}, &answer)
	l.f.Users[name] = answer.ID
}

func (l *life) bucket(name, org string) {
	var answer struct{ ID string }
	l.do("POST", "/api/v2/buckets", map[string]any{
		"name": name, "orgID": l.f.Orgs[org],
		"retentionRules": []map[string]any{{"type": "expire", "everySeconds": 2592000}},
	}, &answer)
	l.f.Buckets[name] = answer.ID
}

func (l *life) token(name, org, user string, permissions []Permission) Token {
	if l.err != nil {
		return Token{}
	}
	token, err := l.s.AddToken(l.f, name, org, user, permissions)
	l.err = err
	return token
}

// CanWrite tells whether a token may write a bucket.
func (s *Server) CanWrite(token, org, bucket string) (bool, error) {
	path := "/api/v2/write?" + url.Values{"org": {org}, "bucket": {bucket}}.Encode()
	status, _, err := s.Call(token, "POST", path, "probe v=1")
	return status == 204, err
}
