import { registerEnumType } from '@nestjs/graphql';

export enum OfferState {
  Funding = 'Funding',
  Bidding = 'Bidding',
  Awarded = 'Awarded',
  Training = 'Training',
  Committed = 'Committed',
  Paid = 'Paid',
  Slashed = 'Slashed',
  Refunded = 'Refunded',
  Cancelled = 'Cancelled',
}
registerEnumType(OfferState, {
  name: 'OfferState',
  description: 'Life of an offer, as the market contract names it. Each state but the last four has a timeout.',
  valuesMap: {
    Funding: { description: 'Payers pay their shares; a share that is missing at the deadline refunds everybody.' },
    Bidding: { description: 'Every share is paid, pools bid until the deadline.' },
    Awarded: { description: 'The best bid has won and must start by the deadline, or the next best takes over.' },
    Training: { description: 'The winner trains and must commit log and model by the deadline.' },
    Committed: { description: 'Log and model are committed; validators check, then challenges are possible.' },
    Paid: { description: 'The trainer was paid; what the reward exceeds the price is refundable.' },
    Slashed: { description: 'The trainer cheated or fell silent: his locked stake is lost, the payers are refunded.' },
    Refunded: { description: 'It came to nothing without proven fault: the payers are refunded.' },
    Cancelled: { description: 'The requester cancelled before any share was paid.' },
  },
});

export enum OfferOrder {
  Newest = 'Newest',
  Oldest = 'Oldest',
  RecentlyUpdated = 'RecentlyUpdated',
  DeadlineSoonest = 'DeadlineSoonest',
}
registerEnumType(OfferOrder, {
  name: 'OfferOrder',
  description: 'How a list of offers is sorted.',
  valuesMap: {
    Newest: { description: 'By id, the newest first.' },
    Oldest: { description: 'By id, the oldest first.' },
    RecentlyUpdated: { description: 'By the block of the last event, the newest first.' },
    DeadlineSoonest: { description: 'By deadline, the nearest first; offers without a deadline are left out.' },
  },
});

export enum Vote {
  Valid = 1,
  Invalid = 2,
  Unavailable = 3,
}
registerEnumType(Vote, {
  name: 'Vote',
  description: 'What a validator says of the drawn segments.',
  valuesMap: {
    Valid: { description: 'All of them agree with his own execution, within the tolerance of the JobSpec.' },
    Invalid: { description: 'At least one does not.' },
    Unavailable: { description: 'Log, states or model could not be retrieved.' },
  },
});

export enum Verdict {
  Pending = 0,
  Valid = 1,
  Invalid = 2,
  Unavailable = 3,
  Undecided = 4,
}
registerEnumType(Verdict, {
  name: 'Verdict',
  description: 'What the verifier says of a committed job.',
  valuesMap: {
    Pending: { description: 'Not decided yet.' },
    Valid: { description: 'May be paid after the challenge window.' },
    Invalid: { description: 'Convicted: the stake is slashed.' },
    Unavailable: { description: 'Log or model cannot be retrieved: refund without pay, the stake is released.' },
    Undecided: { description: 'Validators stayed silent twice: refund, the stake is released.' },
  },
});

export enum JobState {
  Running = 'running',
  Done = 'done',
  Failed = 'failed',
  Stopped = 'stopped',
}
registerEnumType(JobState, {
  name: 'JobState',
  description: 'State of a training job of this deployment.',
  valuesMap: {
    Running: { description: 'The trainer runs, or is about to run again after a crash.' },
    Done: { description: 'Log and model are on Swarm.' },
    Failed: { description: 'Given up; `failure` says why.' },
    Stopped: { description: 'Stopped because its award is gone, for example by a reorganisation.' },
  },
});

export enum Role {
  Requester = 'Requester',
  Payer = 'Payer',
  PoolOperator = 'PoolOperator',
  Validator = 'Validator',
}
registerEnumType(Role, {
  name: 'Role',
  description: 'What an address takes part as. Anyone reads; who may call a mutation is said in its description.',
  valuesMap: {
    Requester: { description: 'Has opened an offer; may cancel it while nobody has paid.' },
    Payer: { description: 'Is named as payer of an offer; may pay his share and claim his refund.' },
    PoolOperator: { description: 'Owns a pool; may change, pause and resume it.' },
    Validator: { description: 'Has joined the quorum with a stake; may be drawn, and leave when not on duty.' },
  },
});

export enum PayingContract {
  Market = 'Market',
  Quorum = 'Quorum',
}
registerEnumType(PayingContract, {
  name: 'PayingContract',
  description: 'A contract that holds credits for withdrawal.',
  valuesMap: {
    Market: { description: 'The training market: prices, returned bonds, refunds.' },
    Quorum: { description: "The validators' quorum: fees and returned challenge bonds." },
  },
});
