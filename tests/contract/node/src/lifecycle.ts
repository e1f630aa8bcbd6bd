// The whole life of a tenant, driven by the generated client alone: node lifecycle.js BASE_URL KEY TENANT_ID
// It ends with an error at the first answer that is not what the contract says.

import assert from 'node:assert/strict'

import { createClient, createConfig } from './api/client/index.js'
import {
  mtActivateTenant,
  mtDeactivateTenant,
  mtGetTenantStatus,
  mtGetTenantUsage,
  mtHealth,
  type ActivateResponse,
  type MtActivateTenantData,
  type OperationAccepted,
  type StandardApiError,
} from './api/index.js'

const [baseUrl, key, tenant_id] = process.argv.slice(2)
assert(baseUrl && key && tenant_id, 'usage: lifecycle.js BASE_URL KEY TENANT_ID')

const market = createClient(createConfig({ baseUrl, auth: key }))
const stranger = createClient(createConfig({ baseUrl, auth: 'not-the-key-of-any-market' }))
const path = { tenant_id }
const body: MtActivateTenantData['body'] = {
  tenant_id,
  tenant_name: '한림대학교',
  plan: 'premium',
  features: ['notes'],
  config: { max_users: 500, storage_limit_gb: 100 },
  admin: { email: 'admin@hallym.ac.kr', name: '홍길동' },
}

type Answer<Data> = { data?: Data; error?: StandardApiError; response?: Response }

// Neither service says async_operations in its manifest: what it does is done when it answers.
function answered<Data>(step: string, { data, error, response }: Answer<Data>): Exclude<Data, OperationAccepted> {
  assert(data !== undefined && response?.status !== 202, `${step}: ${response?.status} ${JSON.stringify(error)}`)
  console.log(`${step}: ${response?.status}`)
  return data as Exclude<Data, OperationAccepted>
}

function refused(step: string, { data, error, response }: Answer<unknown>, status: number, word: string): void {
  assert(error !== undefined, `${step}: expected ${status} ${word}, and it answered ${JSON.stringify(data)}`)
  assert.deepEqual([response?.status, error.error], [status, word], step)
  assert(error.message, `${step}: there is no message`)
  console.log(`${step}: ${status} ${word}`)
}

async function state(): Promise<string> {
  return answered('status', await mtGetTenantStatus({ client: market, path })).status
}

const health = answered('health', await mtHealth({ client: createClient(createConfig({ baseUrl })) }))
assert.equal(health.status, 'healthy')

refused('wrong key', await mtGetTenantStatus({ client: stranger, path }), 401, 'invalid_api_key')
refused('unknown', await mtGetTenantStatus({ client: market, path }), 404, 'tenant_not_found')

const headers = { 'Idempotency-Key': `activate-${tenant_id}` }
const first: ActivateResponse = answered('activate', await mtActivateTenant({ client: market, path, body, headers }))
assert.equal(first.status, 'activated')
assert.equal(first.tenant_id, tenant_id)
assert(URL.canParse(first.access_url))
const again = answered('activate again', await mtActivateTenant({ client: market, path, body, headers }))
assert.deepEqual(again, first)
const other = { ...body, tenant_name: 'Another' }
refused('activate otherwise', await mtActivateTenant({ client: market, path, body: other }), 409, 'tenant_already_exists')
const basic = { ...body, plan: 'no_such_plan' }
refused('activate on no plan', await mtActivateTenant({ client: market, path, body: basic }), 422, 'invalid_plan')
assert.equal(await state(), 'active')

const usage = answered('usage', await mtGetTenantUsage({ client: market, path, query: { period: '2026-01' } }))
assert.deepEqual([usage.tenant_id, usage.period, typeof usage.usage.storage_gb], [tenant_id, '2026-01', 'number'])

const kept = answered(
  'deactivate',
  await mtDeactivateTenant({ client: market, path, body: { reason: 'subscription_expired', preserve_data: true } }),
)
assert.deepEqual([kept.status, kept.data_preserved], ['deactivated', true])
assert(kept.reactivation_deadline && Date.parse(kept.reactivation_deadline) > Date.now())
assert.equal(await state(), 'deactivated')

answered('reactivate', await mtActivateTenant({ client: market, path, body }))
assert.equal(await state(), 'active')

const gone = answered(
  'purge',
  await mtDeactivateTenant({ client: market, path, body: { reason: 'admin_request', preserve_data: false } }),
)
assert.deepEqual([gone.status, gone.data_preserved], ['deactivated', false])
refused('status of the purged', await mtGetTenantStatus({ client: market, path }), 404, 'tenant_not_found')
refused('activate the purged', await mtActivateTenant({ client: market, path, body }), 410, 'tenant_purged')
