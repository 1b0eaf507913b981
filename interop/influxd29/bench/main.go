// Command influxbench does with InfluxDB's own packages what boltkey is
// measured against, and makes the large stores that both work on.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	influxdb "github.com/influxdata/influxdb/v2"
	"github.com/influxdata/influxdb/v2/authorization"
	"github.com/influxdata/influxdb/v2/bolt"
	"github.com/influxdata/influxdb/v2/kv"
	"github.com/influxdata/influxdb/v2/kv/migration"
	"github.com/influxdata/influxdb/v2/kv/migration/all"
	"github.com/influxdata/influxdb/v2/rand"
	"github.com/influxdata/influxdb/v2/tenant"
	"go.uber.org/zap"
)

const usage = `make [--per-transaction N] COUNT FILE
	a new store of schema 21: one organization, user and bucket, the operator
	token, and as many plaintext tokens with two permissions as make COUNT in all
list FILE
	all authorizations as JSON; seconds on standard error
hash FILE
	the hashing that influxd 2.9 does when it starts; seconds on standard error
`

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	perTransaction := fs.Int("per-transaction", 1, "tokens (make)")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	path := fs.Arg(fs.NArg() - 1)
	switch {
	case args[0] == "make" && fs.NArg() == 2:
		var count int
		if _, err := fmt.Sscan(fs.Arg(0), &count); err != nil {
			return err
		}
		return makeStore(ctx, path, count, *perTransaction)
	case args[0] == "list" && fs.NArg() == 1:
		return timed(ctx, path, list)
	case args[0] == "hash" && fs.NArg() == 1:
		return timed(ctx, path, hash)
	}
	return errors.New(usage)
}

// timed opens an existing store, does the work and prints the seconds that the
// work took.
func timed(ctx context.Context, path string, work func(context.Context, *bolt.KVStore) error) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	store := bolt.NewKVStore(zap.NewNop(), path)
	if err := store.Open(ctx); err != nil {
		return err
	}
	defer store.Close()
	start := time.Now()
	if err := work(ctx, store); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%.6f\n", time.Since(start).Seconds())
	return nil
}

// list is what answers GET /api/v2/authorizations, without the HTTP server.
func list(ctx context.Context, store *bolt.KVStore) error {
	auths, err := authorization.NewStore(ctx, store, false)
	if err != nil {
		return err
	}
	service := authorization.NewService(auths, tenant.NewService(tenant.NewStore(store)))
	found, _, err := service.FindAuthorizations(ctx, influxdb.AuthorizationFilter{})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"authorizations": found})
}

// hash is the migration that the authorization store does when it is created.
func hash(ctx context.Context, store *bolt.KVStore) error {
	_, err := authorization.NewStore(ctx, store, true)
	return err
}

func makeStore(ctx context.Context, path string, count, perTransaction int) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists", path)
	}
	store := bolt.NewKVStore(zap.NewNop(), path, bolt.WithNoSync)
	if err := store.Open(ctx); err != nil {
		return err
	}
	defer store.Close()
	migrator, err := migration.NewMigrator(zap.NewNop(), store, all.Migrations[:]...)
	if err != nil {
		return err
	}
	if err := migrator.Up(ctx); err != nil {
		return err
	}
	tenants := tenant.NewService(tenant.NewStore(store))
	auths, err := authorization.NewStore(ctx, store, false)
	if err != nil {
		return err
	}
	onboarding := tenant.NewOnboardService(tenants, authorization.NewService(auths, tenants))
	first, err := onboarding.OnboardInitialUser(ctx, &influxdb.OnboardingRequest{
		User: "admin", Password: "bench password", Org: "bench", Bucket: "bench",
	})
	if err != nil {
		return err
	}
	tokens := rand.NewTokenGenerator(64)
	for done := 1; done < count; {
		err := auths.Update(ctx, func(tx kv.Tx) error {
			for n := 0; n < perTransaction && done < count; n++ {
				token, err := tokens.Token()
				if err != nil {
					return err
				}
				auth := &influxdb.Authorization{
					Token:       token,
					Status:      influxdb.Active,
					Description: fmt.Sprintf("token %d", done),
					OrgID:       first.Org.ID,
					UserID:      first.User.ID,
				}
				for _, action := range []influxdb.Action{influxdb.ReadAction, influxdb.WriteAction} {
					p, err := influxdb.NewPermissionAtID(first.Bucket.ID, action, influxdb.BucketsResourceType, first.Org.ID)
					if err != nil {
						return err
					}
					auth.Permissions = append(auth.Permissions, *p)
				}
				now := time.Now()
				auth.SetCreatedAt(now)
				auth.SetUpdatedAt(now)
				if err := auths.CreateAuthorization(ctx, tx, auth); err != nil {
					return err
				}
				done++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return store.DB().Sync()
}
