/** Okta System Log. https://developer.okta.com/docs/reference/api/event-types/ */

import {
  begins,
  choose,
  chooseByStart,
  chooseByVerb,
  has,
  is,
  oneOf,
} from "../choices.ts";
import { constant, either, type Leaf, text } from "../leaves.ts";
import type { Attributes, Profile } from "../profile.ts";
import { firstLine } from "../text_parts.ts";
import { caller, product, severityWord, user } from "./words.ts";

const common = {
  product: product("Okta", "System Log"),
  severity: severityWord("severity"),
  status: choose("outcome.result", {
    SUCCESS: 1,
    ALLOW: 1,
    FAILURE: 2,
    DENY: 2,
  }, 0),
  time: ["published"],
  message: firstLine("displayMessage"),
  metadata: {
    event_code: text("eventType"),
    correlation_uid: text("transaction.id"),
  },
} as const;

const actor = user({
  name: ["actor.alternateId", "actor.displayName"],
  uid: ["actor.id"],
  mail: ["actor.alternateId"],
  fullName: ["actor.displayName"],
});

/** What the user signed in to, where it is the first target. */
const isApplication = is("target.0.type", "AppInstance");
const targetName = text("target.0.displayName");
const serviceName: Leaf = (source, into) =>
  isApplication(source) && targetName(source, into);

const surroundings: Attributes = {
  src_endpoint: caller("client.ipAddress"),
  http_request: { user_agent: text("client.userAgent.rawUserAgent") },
  status_detail: firstLine("outcome.reason"),
};

const isOkta = [
  has("eventType", "actor.alternateId"),
  oneOf(has("published"), has("outcome"), has("legacyEventType")),
];

export const okta: readonly Profile[] = [
  {
    ...common,
    name: "okta authentication",
    when: [
      ...isOkta,
      oneOf(
        is(
          "eventType",
          "user.session.start",
          "user.session.end",
          "user.session.expire",
          "user.session.clear",
        ),
        begins("eventType", "user.authentication."),
      ),
    ],
    classUid: 3002,
    activity: choose("eventType", {
      "user.session.end": 2,
      "user.session.expire": 2,
      "user.session.clear": 2,
    }, 1),
    attributes: {
      user: actor,
      service: {
        name: either(serviceName, constant("Okta")),
      },
      session: {
        uid: text("authenticationContext.externalSessionId"),
      },
      ...surroundings,
    },
  },
  {
    ...common,
    name: "okta account change",
    when: [
      ...isOkta,
      begins(
        "eventType",
        "user.account.",
        "user.lifecycle.",
        "user.mfa.factor.",
      ),
      is("target.0.type", "User"),
    ],
    classUid: 3001,
    activity: chooseByStart("eventType", {
      "user.lifecycle.create": 1,
      "user.lifecycle.activate": 2,
      "user.lifecycle.reactivate": 2,
      "user.lifecycle.unsuspend": 2,
      "user.lifecycle.deactivate": 5,
      "user.lifecycle.suspend": 5,
      "user.lifecycle.delete": 6,
      "user.account.update_password": 3,
      "user.account.reset_password": 4,
      "user.account.privilege.grant": 7,
      "user.account.privilege.revoke": 8,
      "user.account.lock": 9,
      "user.mfa.factor.activate": 10,
      "user.mfa.factor.deactivate": 11,
      "user.mfa.factor.reset_all": 11,
      "user.mfa.factor.suspend": 11,
      "user.mfa.factor.unsuspend": 10,
    }, 99),
    activityName: text("eventType"),
    attributes: {
      user: user({
        name: ["target.0.alternateId", "target.0.displayName"],
        uid: ["target.0.id"],
        mail: ["target.0.alternateId"],
        fullName: ["target.0.displayName"],
      }),
      actor: { user: actor },
      ...surroundings,
    },
  },
  {
    ...common,
    name: "okta",
    when: isOkta,
    classUid: 6003,
    activity: chooseByVerb("eventType", {
      create: 1,
      add: 1,
      grant: 1,
      activate: 3,
      update: 3,
      deactivate: 3,
      rotate: 3,
      delete: 4,
      remove: 4,
      revoke: 4,
      show: 2,
      read: 2,
      list: 2,
    }, 99),
    activityName: text("eventType"),
    attributes: {
      actor: { user: actor },
      api: {
        operation: text("eventType"),
        request: { uid: text("debugContext.debugData.requestId") },
      },
      resources: [{
        name: text("target.0.displayName"),
        uid: text("target.0.id"),
        type: text("target.0.type"),
      }],
      ...surroundings,
    },
  },
];
