/** AWS CloudTrail. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html */

import {
  always,
  choose,
  chooseByStart,
  firstOf,
  has,
  ifSaid,
  is,
  says,
} from "../choices.ts";
import { constant, either, flag, text, unless } from "../leaves.ts";
import type { Attributes, Profile } from "../profile.ts";
import { baseName, firstLine } from "../text_parts.ts";
import { caller, product, unknown, user } from "./words.ts";

const identity = user({
  name: [
    "userIdentity.userName",
    "userIdentity.sessionContext.sessionIssuer.userName",
  ],
  uid: ["userIdentity.principalId"],
}, {
  uid_alt: text("userIdentity.arn"),
  type: text("userIdentity.type"),
  credential_uid: text("userIdentity.accessKeyId"),
  account: { uid: text("userIdentity.accountId") },
});

const common = {
  product: product("AWS", "CloudTrail"),
  time: ["eventTime"],
  message: firstLine("errorMessage"),
  metadata: {
    event_code: text("eventName"),
    log_version: text("eventVersion"),
    correlation_uid: text("sharedEventID"),
  },
} as const;

const surroundings: Attributes = {
  src_endpoint: caller("sourceIPAddress"),
  http_request: { user_agent: text("userAgent") },
  cloud: {
    provider: constant("AWS"),
    region: text("awsRegion"),
    account: { uid: text("recipientAccountId", "userIdentity.accountId") },
  },
  status_code: text("errorCode"),
  status_detail: firstLine("errorMessage"),
};

const isCloudTrail = [has("eventName", "eventSource", "eventTime")];

export const cloudTrail: readonly Profile[] = [
  {
    ...common,
    name: "cloudtrail console login",
    when: [...isCloudTrail, is("eventName", "ConsoleLogin")],
    classUid: 3002,
    activity: always(1),
    status: firstOf(
      choose("responseElements.ConsoleLogin", { Success: 1, Failure: 2 }),
      ifSaid("errorCode", 2, 0),
    ),
    attributes: {
      user: { ...identity },
      service: { name: text("eventSource") },
      is_mfa: flag("additionalEventData.MFAUsed", ["Yes"], ["No"]),
      ...surroundings,
    },
  },
  {
    ...common,
    name: "cloudtrail",
    when: isCloudTrail,
    classUid: 6003,
    activity: chooseByStart("eventName", {
      Create: 1,
      Run: 1,
      Allocate: 1,
      Import: 1,
      Issue: 1,
      Get: 2,
      List: 2,
      Describe: 2,
      Head: 2,
      Lookup: 2,
      Search: 2,
      Query: 2,
      Scan: 2,
      Batch: 0,
      Update: 3,
      Put: 3,
      Modify: 3,
      Set: 3,
      Add: 3,
      Attach: 3,
      Associate: 3,
      Enable: 3,
      Disable: 3,
      Detach: 3,
      Tag: 3,
      Untag: 3,
      Change: 3,
      Replace: 3,
      Delete: 4,
      Remove: 4,
      Terminate: 4,
      Deregister: 4,
      Release: 4,
    }, 99),
    activityName: text("eventName"),
    status: ifSaid("errorCode", 2, 1),
    attributes: {
      actor: {
        user: {
          ...identity,
          name: either(
            text(
              "userIdentity.userName",
              "userIdentity.sessionContext.sessionIssuer.userName",
              "userIdentity.invokedBy",
            ),
            baseName("userIdentity.arn"),
            unless(says("userIdentity.principalId"), unknown),
          ),
        },
        invoked_by: text("userIdentity.invokedBy"),
        session: {
          is_mfa: flag(
            "userIdentity.sessionContext.attributes.mfaAuthenticated",
          ),
          issuer: text("userIdentity.sessionContext.sessionIssuer.arn"),
        },
      },
      api: {
        operation: text("eventName"),
        version: text("apiVersion"),
        service: { name: text("eventSource") },
        request: { uid: text("requestID", "eventID") },
        response: {
          error: text("errorCode"),
          error_message: firstLine("errorMessage"),
        },
      },
      resources: [{
        uid: text("resources.0.ARN", "resources.0.arn"),
        type: text("resources.0.type"),
      }],
      ...surroundings,
    },
  },
];
