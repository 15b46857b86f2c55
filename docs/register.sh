#!/usr/bin/env bash
# Registers Strongroom's applications in a tenant: docs/registration.md says how it is used.
# A test holds the lists of permissions to the program's own.
set -euo pipefail

# The permissions of the identity that reads. It changes nothing in the tenant.
READ=(
  AdministrativeUnit.Read.All
  Application.Read.All
  AuditLog.Read.All
  AuthenticationContext.Read.All
  Calendars.Read
  ConfigurationMonitoring.ReadWrite.All
  Contacts.Read
  DeviceManagementApps.Read.All
  DeviceManagementConfiguration.Read.All
  DeviceManagementRBAC.Read.All
  DeviceManagementServiceConfig.Read.All
  Directory.Read.All
  Domain-InternalFederation.Read.All
  Domain.Read.All
  Files.Read.All
  GroupMember.Read.All
  GroupSettings.Read.All
  Mail.Read
  OnPremDirectorySynchronization.Read.All
  Organization.Read.All
  Policy.Read.All
  Policy.Read.DeviceConfiguration
  Policy.Read.PermissionGrant
  RoleAssignmentSchedule.Read.Directory
  RoleEligibilitySchedule.Read.Directory
  RoleManagement.Read.Directory
  SecurityEvents.Read.All
  SharePointTenantSettings.Read.All
  Sites.Read.All
  Tasks.Read.All
  User.Read.All
  eDiscovery.Read.All
)
# The permissions of the identity that puts data back.
WRITE=(
  Calendars.Read
  Calendars.ReadWrite
  Contacts.Read
  Contacts.ReadWrite
  Files.ReadWrite.All
  Mail.Read
  Mail.ReadWrite
  Sites.ReadWrite.All
  Tasks.ReadWrite.All
  User.Read.All
)
# The identity that puts settings back holds none between restores: `grant` and `revoke`.
CONFIGURE=()

GRAPH_APP=00000003-0000-0000-c000-000000000000
EXCHANGE_APP=00000002-0000-0ff1-ce00-000000000000
MANAGED_APP=03b07b79-c5bc-4b5e-9bfa-13acf4a99998
GLOBAL_READER=f2ef992c-3afb-46b9-b7cf-a126ee74c451
GRAPH_URL=${STRONGROOM_GRAPH:-https://graph.microsoft.com/}
GRAPH_URL=${GRAPH_URL%/}/v1.0
# What was just made is known everywhere after some seconds.
TRIES_MAX=12
PAUSE_S=${STRONGROOM_PAUSE_S:-5}

usage() {
  cat <<'TEXT'
register.sh register [--name PREFIX] [--without PERMISSION]... IDENTITY=CERTIFICATE...
    makes an application for each identity (read, write, configure), with its certificate,
    its permissions and the administrator's consent to them
register.sh grant APPLICATION_ID PERMISSION...
register.sh revoke APPLICATION_ID PERMISSION...
    consents to permissions of Microsoft Graph for an application, or takes that back
register.sh show APPLICATION_ID
    lists the permissions of Microsoft Graph that an application holds
register.sh leaves APPLICATION_ID
    lets an application remove itself, and nothing else: for `strongroom assess`
register.sh exchange
    lets Microsoft's own service read the settings of Exchange, Teams and Purview

It signs in as whoever `az login` signed in, or with the token in STRONGROOM_TOKEN.
TEXT
}
fail() { printf 'register.sh: %s\n' "$1" >&2; exit "${2:-1}"; }
wrong() { usage >&2; exit 2; }

# graph METHOD PATH [BODY]: prints the answer. The token reaches no list of processes.
graph() {
  local method=$1 path=$2 body=${3-} answer status
  local -a with=()
  [ -z "$body" ] || with=(--header 'Content-Type: application/json' --data "$body")
  answer=$(curl --silent --show-error --request "$method" --write-out '\n%{http_code}' \
    --config <(printf 'header = "Authorization: Bearer %s"\n' "$TOKEN") \
    "${with[@]}" "$GRAPH_URL$path") || fail "Graph cannot be reached"
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
  case $status in
    2??) printf '%s\n' "$answer" ;;
    *)
      printf 'register.sh: %s %s: %s %s\n' "$method" "$path" "$status" \
        "$(jq -r '.error.code + ": " + .error.message' <<<"$answer" 2>/dev/null || true)" >&2
      return 1
      ;;
  esac
}
# The same for what needs something that was just made.
patiently() {
  local n
  for ((n = 1; n < TRIES_MAX; n++)); do
    graph "$@" 2>/dev/null && return
    sleep "$PAUSE_S"
  done
  graph "$@"
}
# principal APPLICATION_ID: its service principal, with its roles; empty where there is none.
principal() {
  graph GET "/servicePrincipals?\$filter=appId%20eq%20'$1'&\$select=id,displayName,appRoles" |
    jq -c '.value[0] // empty'
}
known_principal() {
  local found
  found=$(principal "$1") || exit 1
  [ -n "$found" ] || fail "the tenant has no application $1"
  printf '%s\n' "$found"
}
# role PRINCIPAL NAME: the id of an application permission.
role() {
  local id
  id=$(jq -r --arg name "$2" '.appRoles[] | select(.value == $name)
    | select(.allowedMemberTypes | index("Application")) | .id' <<<"$1")
  [ -n "$id" ] || fail "$(jq -r .displayName <<<"$1") has no application permission $2 \
(register takes --without $2)"
  printf '%s\n' "$id"
}
# consent HOLDER RESOURCE NAME HELD: an administrator's consent to one permission, unless its id is
# among those that are held.
consent() {
  local holder=$1 resource=$2 id at
  id=$(role "$resource" "$3") || exit 1
  if [[ " $4 " == *" $id "* ]]; then
    printf '  %s was granted before\n' "$3"
    return
  fi
  at=$(jq -r .id <<<"$resource")
  patiently POST "/servicePrincipals/$at/appRoleAssignedTo" "$(jq -nc --arg principal "$holder" \
    --arg resource "$at" --arg role "$id" \
    '{principalId: $principal, resourceId: $resource, appRoleId: $role}')" >/dev/null ||
    fail "$3 was not granted; run \"register.sh grant\" for what is missing"
  printf '  %s\n' "$3"
}
# held_ids HOLDER RESOURCE: the ids of the permissions that it holds there, in one line.
held_ids() {
  held "$1" "$(jq -r .id <<<"$2")" | jq -r .appRoleId | tr '\n' ' '
}
# held HOLDER RESOURCE_ID: its assignments at a resource, one a line.
held() {
  local path="/servicePrincipals/$1/appRoleAssignments?\$top=999" page
  while [ -n "$path" ]; do
    page=$(patiently GET "$path") || exit 1
    jq -c --arg resource "$2" '.value[] | select(.resourceId == $resource)' <<<"$page"
    path=$(jq -r '."@odata.nextLink" // empty' <<<"$page")
    path=${path#"$GRAPH_URL"}
  done
}

register() {
  local prefix=Strongroom name identity file key id app sp graph_principal permission
  local -a without=() certificates=()
  while [ $# -gt 0 ]; do
    case $1 in
      --name) prefix=${2-} && [ -n "$prefix" ] || wrong; shift 2 ;;
      --without) without+=("${2-}") && [ -n "${2-}" ] || wrong; shift 2 ;;
      read=?* | write=?* | configure=?*) certificates+=("$1"); shift ;;
      *) wrong ;;
    esac
  done
  [ ${#certificates[@]} -gt 0 ] || wrong
  graph_principal=$(known_principal $GRAPH_APP)
  # All that can be wrong is found before anything is made.
  for item in "${certificates[@]}"; do
    identity=${item%%=*} file=${item#*=}
    if grep -q "PRIVATE KEY" "$file" 2>/dev/null; then
      fail "$file holds a private key, which stays on its host: give the certificate alone"
    fi
    openssl x509 -in "$file" -noout -checkend 86400 >/dev/null 2>&1 ||
      fail "$file is no certificate (PEM), or one that ends within a day"
    name="$prefix $identity"
    id=$(graph GET "/applications?\$filter=displayName%20eq%20'${name// /%20}'&\$select=appId" |
      jq -r '.value[0].appId // empty')
    [ -z "$id" ] || fail "the tenant has an application \"$name\" already ($id): delete it, or \
give another --name"
    for permission in $(wanted "$identity" "${without[@]}"); do
      role "$graph_principal" "$permission" >/dev/null
    done
  done
  for item in "${certificates[@]}"; do
    identity=${item%%=*} file=${item#*=}
    name="$prefix $identity"
    key=$(openssl x509 -in "$file" -outform DER | base64 -w 0)
    local access=[]
    for permission in $(wanted "$identity" "${without[@]}"); do
      id=$(role "$graph_principal" "$permission")
      access=$(jq -c --arg id "$id" '. + [{id: $id, type: "Role"}]' <<<"$access")
    done
    app=$(graph POST /applications "$(jq -nc --arg name "$name" --arg key "$key" \
      --argjson access "$access" --arg graph $GRAPH_APP \
      '{displayName: $name, signInAudience: "AzureADMyOrg",
        keyCredentials: [{type: "AsymmetricX509Cert", usage: "Verify", key: $key,
          displayName: $name}],
        requiredResourceAccess: (if $access == [] then []
          else [{resourceAppId: $graph, resourceAccess: $access}] end)}')")
    id=$(jq -r .appId <<<"$app")
    printf '%s: application_id = "%s"\n' "$name" "$id"
    sp=$(patiently POST /servicePrincipals "$(jq -nc --arg id "$id" '{appId: $id}')") ||
      fail "\"$name\" has no service principal: delete the application and begin again"
    sp=$(jq -r .id <<<"$sp")
    for permission in $(wanted "$identity" "${without[@]}"); do
      consent "$sp" "$graph_principal" "$permission" ""
    done
  done
}
# wanted IDENTITY [WITHOUT]...: its permissions but these.
wanted() {
  local -n list=${1^^}
  shift
  local permission
  for permission in "${list[@]}"; do
    [[ " $* " == *" $permission "* ]] || printf '%s\n' "$permission"
  done
}
grant() {
  local holder graph_principal permission all
  [ $# -ge 2 ] || wrong
  holder=$(known_principal "$1" | jq -r .id)
  graph_principal=$(known_principal $GRAPH_APP)
  shift
  for permission in "$@"; do role "$graph_principal" "$permission" >/dev/null; done
  all=$(held_ids "$holder" "$graph_principal")
  for permission in "$@"; do consent "$holder" "$graph_principal" "$permission" "$all"; done
}
revoke() {
  local holder graph_principal resource permission id found
  [ $# -ge 2 ] || wrong
  holder=$(known_principal "$1" | jq -r .id)
  graph_principal=$(known_principal $GRAPH_APP)
  resource=$(jq -r .id <<<"$graph_principal")
  shift
  for permission in "$@"; do
    id=$(role "$graph_principal" "$permission")
    found=$(held "$holder" "$resource" | jq -r --arg id "$id" 'select(.appRoleId == $id) | .id')
    if [ -z "$found" ]; then
      printf '  %s was not held\n' "$permission"
    else
      graph DELETE "/servicePrincipals/$resource/appRoleAssignedTo/$found" >/dev/null
      printf '  %s is taken back\n' "$permission"
    fi
  done
}
show() {
  local holder graph_principal all
  [ $# -eq 1 ] || wrong
  holder=$(known_principal "$1" | jq -r .id)
  graph_principal=$(known_principal $GRAPH_APP)
  all=$(held "$holder" "$(jq -r .id <<<"$graph_principal")" | jq -s .)
  jq -r --argjson all "$all" '.appRoles as $roles | $all[] | .appRoleId as $id
    | first($roles[] | select(.id == $id) | .value) // $id' <<<"$graph_principal" | sort
}
leaves() {
  local holder owned
  [ $# -eq 1 ] || wrong
  holder=$(known_principal "$1" | jq -r .id)
  grant "$1" Application.ReadWrite.OwnedBy
  owned=$(graph GET "/servicePrincipals/$holder/owners?\$select=id" |
    jq -r --arg id "$holder" '.value[] | select(.id == $id) | .id')
  if [ -n "$owned" ]; then
    printf '  it was its own owner before\n'
    return
  fi
  patiently POST "/servicePrincipals/$holder/owners/\$ref" "$(jq -nc \
    --arg it "$GRAPH_URL/directoryObjects/$holder" '{"@odata.id": $it}')" >/dev/null ||
    fail "it did not become its own owner; run the command again"
  printf '  it is its own owner\n'
}
exchange() {
  local holder online graph_principal
  [ $# -eq 0 ] || wrong
  online=$(known_principal $EXCHANGE_APP)
  graph_principal=$(known_principal $GRAPH_APP)
  holder=$(principal $MANAGED_APP)
  [ -n "$holder" ] || holder=$(graph POST /servicePrincipals "{\"appId\": \"$MANAGED_APP\"}")
  holder=$(jq -r .id <<<"$holder")
  consent "$holder" "$online" Exchange.ManageAsApp "$(held_ids "$holder" "$online")"
  consent "$holder" "$graph_principal" Organization.Read.All \
    "$(held_ids "$holder" "$graph_principal")"
  local query="principalId%20eq%20'$holder'%20and%20roleDefinitionId%20eq%20'$GLOBAL_READER'"
  if [ "$(graph GET "/roleManagement/directory/roleAssignments?\$filter=$query" 2>/dev/null |
    jq '.value | length')" = 1 ]; then
    printf '  Global Reader was given before\n'
    return
  fi
  graph POST /roleManagement/directory/roleAssignments "$(jq -nc --arg who "$holder" \
    --arg role $GLOBAL_READER \
    '{principalId: $who, roleDefinitionId: $role, directoryScopeId: "/"}')" >/dev/null ||
    fail "the role Global Reader was not given: give it in the Entra admin center, Roles & admins"
  printf '  Global Reader\n'
}

for tool in curl jq openssl base64; do
  command -v "$tool" >/dev/null || fail "$tool is needed and is not installed"
done
verb=${1-}
[ $# -eq 0 ] || shift
case $verb in
  register | grant | revoke | show | leaves | exchange) ;;
  help | --help | -h) usage; exit 0 ;;
  *) wrong ;;
esac
TOKEN=${STRONGROOM_TOKEN-}
if [ -z "$TOKEN" ]; then
  command -v az >/dev/null || fail "neither az nor STRONGROOM_TOKEN is there to sign in with"
  TOKEN=$(az account get-access-token --resource-type ms-graph --query accessToken --output tsv) ||
    fail "az is not signed in: az login --allow-no-subscriptions"
fi
"$verb" "$@"
