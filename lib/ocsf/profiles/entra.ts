/** Microsoft Entra sign-ins, from diagnostic settings (`properties`) and from Graph. https://learn.microsoft.com/graph/api/resources/signin */

import {
  always,
  choose,
  chooseWord,
  firstOf,
  has,
  is,
  isNumber,
  NO_CHOICE,
  oneOf,
} from "../choices.ts";
import { captionOf, chosen, constant, either, flag, text } from "../leaves.ts";
import type { Profile } from "../profile.ts";
import { firstLine } from "../text_parts.ts";
import {
  AUTH_PROTOCOLS,
  caller,
  product,
  severityWord,
  unknown,
  user,
} from "./words.ts";

/** From Graph the event is what stands in `properties` elsewhere. */
const at = (name: string) => [`properties.${name}`, name];

const PROTOCOL = choose(at("authenticationProtocol"), {
  oAuth2: 6,
  deviceCode: 6,
  ropc: 6,
  saml20: 5,
  wsFederation: 99,
  authenticationTransfer: 99,
});

/** Any number but 0 is an error's. */
const hasCode = isNumber(
  "resultType",
  "properties.status.errorCode",
  "status.errorCode",
);

/** What some exports write in place of the code, or beside it. */
const RESULTS = {
  success: 1,
  succeeded: 1,
  failure: 2,
  failed: 2,
  timeout: 2,
};

export const entraSignIn: Profile = {
  name: "entra sign-in",
  when: [
    oneOf(
      is("operationName", "Sign-in activity"),
      has("createdDateTime", "userPrincipalName", "appDisplayName"),
    ),
  ],
  product: product("Microsoft", "Entra ID"),
  classUid: 3002,
  activity: always(1),
  severity: severityWord("level", "Level"),
  status: firstOf(
    choose("resultType", { 0: 1 }),
    choose("properties.status.errorCode", { 0: 1 }),
    choose("status.errorCode", { 0: 1 }),
    (source) => hasCode(source) ? 2 : NO_CHOICE,
    chooseWord("resultType", RESULTS),
    chooseWord(at("result"), RESULTS),
    always(0),
  ),
  time: [...at("createdDateTime"), "time"],
  message: firstLine(
    "resultDescription",
    ...at("status.failureReason"),
    "operationName",
  ),
  metadata: {
    event_code: text("category"),
    tenant_uid: text("tenantId", ...at("homeTenantId")),
    correlation_uid: text("correlationId", ...at("correlationId")),
  },
  attributes: {
    user: user({
      name: at("userPrincipalName"),
      uid: at("userId"),
      mail: at("userPrincipalName"),
      fullName: at("userDisplayName"),
    }),
    service: {
      name: either(
        text(...at("appDisplayName"), ...at("resourceDisplayName")),
        unknown,
      ),
      uid: text(...at("appId")),
    },
    src_endpoint: caller(...at("ipAddress"), "callerIpAddress"),
    session: { uid: text(...at("sessionId")) },
    auth_protocol_id: chosen(PROTOCOL),
    auth_protocol: captionOf(
      PROTOCOL,
      AUTH_PROTOCOLS,
      text(...at("authenticationProtocol")),
    ),
    is_mfa: either(
      flag(
        "properties.authenticationRequirement",
        ["multiFactorAuthentication"],
        ["singleFactorAuthentication"],
      ),
      flag(
        "authenticationRequirement",
        ["multiFactorAuthentication"],
        ["singleFactorAuthentication"],
      ),
    ),
    http_request: { user_agent: text(...at("userAgent")) },
    status_code: text(
      "resultType",
      ...at("status.errorCode"),
    ),
    status_detail: firstLine(
      "resultDescription",
      ...at("status.failureReason"),
    ),
    cloud: { provider: constant("Azure") },
  },
};
