// Command lifecycle drives the whole life of a tenant by the generated client alone: lifecycle BASE_URL KEY TENANT_ID.
// It ends with an error at the first answer that is not what the contract says.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"time"

	api "lifecycle/standardapi"
)

func main() {
	if len(os.Args) != 4 {
		fail("usage: lifecycle BASE_URL KEY TENANT_ID")
	}
	configuration := api.NewConfiguration()
	configuration.Servers = api.ServerConfigurations{{URL: os.Args[1]}}
	tenant := tenant{client: api.NewAPIClient(configuration), market: with(os.Args[2]), id: os.Args[3]}

	health, response, err := tenant.client.LifecycleAPI.MtHealth(context.Background()).Execute()
	answered("health", response, err)
	equal("health", health.Status, api.HEALTHSTATUS_HEALTHY)

	_, response, err = tenant.client.LifecycleAPI.MtGetTenantStatus(with("not-the-key-of-any-market"), tenant.id).Execute()
	refused("wrong key", response, err, http.StatusUnauthorized, "invalid_api_key")
	_, response, err = tenant.client.LifecycleAPI.MtGetTenantStatus(tenant.market, tenant.id).Execute()
	refused("unknown", response, err, http.StatusNotFound, "tenant_not_found")

	body := api.NewActivateRequest(tenant.id, "한림대학교", "premium", *api.NewAdmin("admin@hallym.ac.kr", "홍길동"))
	body.SetFeatures([]string{"notes"})
	limits := api.NewTenantConfig()
	limits.SetMaxUsers(500)
	limits.SetStorageLimitGb(100)
	body.SetConfig(*limits)

	first := tenant.activate("activate", *body, "one")
	equal("activate", first.GetTenantId(), tenant.id)
	equal("activate again", tenant.activate("activate again", *body, "one"), first)
	otherwise, noPlan := *body, *body
	otherwise.SetTenantName("Another")
	_, response, err = tenant.ask(otherwise, "two")
	refused("activate otherwise", response, err, http.StatusConflict, "tenant_already_exists")
	noPlan.SetPlan("no_such_plan")
	_, response, err = tenant.ask(noPlan, "three")
	refused("activate on no plan", response, err, http.StatusUnprocessableEntity, "invalid_plan")
	tenant.is(api.TENANTSTATE_ACTIVE)

	usage, response, err := tenant.client.FiguresAPI.MtGetTenantUsage(tenant.market, tenant.id).Period("2026-01").Execute()
	answered("usage", response, err)
	equal("usage", []string{usage.TenantId, usage.Period}, []string{tenant.id, "2026-01"})
	equal("usage: storage_gb is there", usage.Usage.HasStorageGb(), true)

	kept := tenant.deactivate("deactivate", api.DEACTIVATEREASON_SUBSCRIPTION_EXPIRED, true)
	equal("deactivate", kept.Status, "deactivated")
	equal("deactivate: data are preserved", kept.DataPreserved, true)
	if !kept.GetReactivationDeadline().After(time.Now()) {
		fail("deactivate: the deadline for a reactivation has passed")
	}
	tenant.is(api.TENANTSTATE_DEACTIVATED)

	tenant.activate("reactivate", *body, "four")
	tenant.is(api.TENANTSTATE_ACTIVE)

	gone := tenant.deactivate("purge", api.DEACTIVATEREASON_ADMIN_REQUEST, false)
	equal("purge: data are preserved", gone.DataPreserved, false)
	_, response, err = tenant.client.LifecycleAPI.MtGetTenantStatus(tenant.market, tenant.id).Execute()
	refused("status of the purged", response, err, http.StatusNotFound, "tenant_not_found")
	_, response, err = tenant.ask(*body, "five")
	refused("activate the purged", response, err, http.StatusGone, "tenant_purged")
}

// A tenant, as the market that calls sees it.
type tenant struct {
	client *api.APIClient
	market context.Context
	id     string
}

func with(key string) context.Context {
	keys := map[string]api.APIKey{"MarketKey": {Key: key}}
	return context.WithValue(context.Background(), api.ContextAPIKeys, keys)
}

func (t tenant) ask(body api.ActivateRequest, key string) (*api.ActivateResponse, *http.Response, error) {
	call := t.client.LifecycleAPI.MtActivateTenant(t.market, t.id)
	return call.ActivateRequest(body).IdempotencyKey(key).Execute()
}

func (t tenant) activate(step string, body api.ActivateRequest, key string) *api.ActivateResponse {
	answer, response, err := t.ask(body, key)
	answered(step, response, err)
	return answer
}

func (t tenant) deactivate(step string, reason api.DeactivateReason, preserve bool) *api.DeactivateResponse {
	call := t.client.LifecycleAPI.MtDeactivateTenant(t.market, t.id)
	answer, response, err := call.DeactivateRequest(*api.NewDeactivateRequest(reason, preserve)).Execute()
	answered(step, response, err)
	return answer
}

func (t tenant) is(state api.TenantState) {
	answer, response, err := t.client.LifecycleAPI.MtGetTenantStatus(t.market, t.id).Execute()
	answered("status", response, err)
	equal("status", answer.Status, state)
}

func answered(step string, response *http.Response, err error) {
	if err != nil {
		fail(step, err)
	}
	fmt.Printf("%s: %d\n", step, response.StatusCode)
}

func refused(step string, response *http.Response, err error, status int, word string) {
	var refusal *api.GenericOpenAPIError
	if !errors.As(err, &refusal) {
		fail(step, "expected a refusal, and got", response, err)
	}
	problem, known := refusal.Model().(api.StandardApiError)
	if !known {
		fail(step, "this is not the one error shape:", string(refusal.Body()), err)
	}
	equal(step, []any{response.StatusCode, problem.Error}, []any{status, word})
	fmt.Printf("%s: %d %s\n", step, response.StatusCode, problem.Error)
}

func equal(step string, found, expected any) {
	if !reflect.DeepEqual(found, expected) {
		fail(step, fmt.Sprintf("expected %v, and got %v", expected, found))
	}
}

func fail(step string, what ...any) {
	fmt.Fprintln(os.Stderr, append([]any{step + ":"}, what...)...)
	os.Exit(1)
}
