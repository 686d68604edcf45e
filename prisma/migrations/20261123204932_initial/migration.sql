-- CreateTable
CREATE TABLE "BlockHeader" (
    "number" INTEGER NOT NULL,
    "hash" TEXT NOT NULL,
    "parentHash" TEXT NOT NULL,
    "timestamp" INTEGER NOT NULL,

    CONSTRAINT "BlockHeader_pkey" PRIMARY KEY ("number")
);

-- CreateTable
CREATE TABLE "ChainEvent" (
    "id" TEXT NOT NULL,
    "blockNumber" INTEGER NOT NULL,
    "logIndex" INTEGER NOT NULL,
    "blockTimestamp" INTEGER NOT NULL,
    "transactionHash" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "eventName" TEXT NOT NULL,
    "offerId" INTEGER,
    "args" JSONB NOT NULL,

    CONSTRAINT "ChainEvent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Offer" (
    "id" INTEGER NOT NULL,
    "state" TEXT NOT NULL,
    "requester" TEXT NOT NULL,
    "jobHeaderHash" TEXT NOT NULL,
    "header" JSONB NOT NULL,
    "terms" JSONB NOT NULL,
    "rewardWei" TEXT NOT NULL,
    "openedAtBlock" INTEGER NOT NULL,
    "openedAt" INTEGER NOT NULL,
    "deadline" INTEGER,
    "trainer" TEXT,
    "priceWei" TEXT,
    "awardBlock" INTEGER,
    "logReference" TEXT,
    "modelReference" TEXT,
    "commitment" TEXT,
    "verifyRound" INTEGER,
    "verdict" INTEGER,
    "challengeEndsAt" INTEGER,
    "paidWei" TEXT,
    "refundableWei" TEXT,
    "refundableEtherWei" TEXT,
    "slashedWei" TEXT,
    "updatedAtBlock" INTEGER NOT NULL,

    CONSTRAINT "Offer_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "OfferPayer" (
    "offerId" INTEGER NOT NULL,
    "position" INTEGER NOT NULL,
    "payer" TEXT NOT NULL,
    "units" INTEGER NOT NULL,
    "paidWei" TEXT,
    "refundedWei" TEXT,

    CONSTRAINT "OfferPayer_pkey" PRIMARY KEY ("offerId","position")
);

-- CreateTable
CREATE TABLE "OfferBid" (
    "offerId" INTEGER NOT NULL,
    "trainer" TEXT NOT NULL,
    "priceWei" TEXT NOT NULL,
    "placedId" TEXT NOT NULL,
    "displaced" BOOLEAN NOT NULL,
    "forfeited" BOOLEAN NOT NULL,

    CONSTRAINT "OfferBid_pkey" PRIMARY KEY ("offerId","trainer")
);

-- CreateTable
CREATE TABLE "VerificationRound" (
    "offerId" INTEGER NOT NULL,
    "round" INTEGER NOT NULL,
    "drawBlock" INTEGER NOT NULL,
    "validators" JSONB NOT NULL,
    "segments" JSONB NOT NULL,
    "commitDeadline" INTEGER,
    "revealDeadline" INTEGER,
    "votes" JSONB NOT NULL,
    "verdict" INTEGER,
    "challenger" TEXT,

    CONSTRAINT "VerificationRound_pkey" PRIMARY KEY ("offerId","round")
);

-- CreateTable
CREATE TABLE "OfferDocuments" (
    "offerId" INTEGER NOT NULL,
    "jobHeaderHash" TEXT NOT NULL,
    "matchable" BOOLEAN NOT NULL,
    "reason" TEXT,
    "jobSpec" JSONB,
    "program" JSONB,
    "checkedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "OfferDocuments_pkey" PRIMARY KEY ("offerId")
);

-- CreateTable
CREATE TABLE "Pool" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "wallet" TEXT NOT NULL,
    "gpuCount" INTEGER NOT NULL,
    "gpuMemoryMiB" INTEGER NOT NULL,
    "cpuMilli" INTEGER NOT NULL,
    "memoryMiB" INTEGER NOT NULL,
    "floorPriceWeiPerGpuHour" TEXT NOT NULL,
    "marginBps" INTEGER NOT NULL,
    "runtimes" TEXT[],
    "backends" TEXT[],
    "tokens" TEXT[],
    "windows" JSONB NOT NULL,
    "maxParallelJobs" INTEGER NOT NULL,
    "paused" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Pool_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Reservation" (
    "offerId" INTEGER NOT NULL,
    "poolId" TEXT NOT NULL,
    "gpuSeconds" INTEGER NOT NULL,
    "priceWei" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'held',
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Reservation_pkey" PRIMARY KEY ("offerId","poolId")
);

-- CreateTable
CREATE TABLE "MatchReceipt" (
    "id" TEXT NOT NULL,
    "offerId" INTEGER NOT NULL,
    "inputsHash" TEXT NOT NULL,
    "poolId" TEXT,
    "priceWei" TEXT,
    "receipt" JSONB NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "MatchReceipt_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "TrainingJob" (
    "name" TEXT NOT NULL,
    "offerId" INTEGER NOT NULL,
    "poolId" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "steps" INTEGER NOT NULL,
    "step" INTEGER NOT NULL DEFAULT 0,
    "loss" DOUBLE PRECISION,
    "metric" DOUBLE PRECISION,
    "testAccuracy" DOUBLE PRECISION,
    "backend" TEXT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "logReference" TEXT,
    "modelReference" TEXT,
    "failure" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "TrainingJob_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "LogBatch" (
    "offerId" INTEGER NOT NULL,
    "step" INTEGER NOT NULL,
    "loss" DOUBLE PRECISION NOT NULL,
    "metric" DOUBLE PRECISION NOT NULL,
    "wallMs" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "LogBatch_pkey" PRIMARY KEY ("offerId","step")
);

-- CreateTable
CREATE TABLE "ValidationTask" (
    "offerId" INTEGER NOT NULL,
    "round" INTEGER NOT NULL,
    "validator" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "vote" INTEGER,
    "evidence" TEXT,
    "report" JSONB,
    "failure" TEXT,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "ValidationTask_pkey" PRIMARY KEY ("offerId","round","validator")
);

-- CreateTable
CREATE TABLE "Lease" (
    "name" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "fence" INTEGER NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Lease_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "Outbox" (
    "sequence" SERIAL NOT NULL,
    "topic" TEXT NOT NULL,
    "offerId" INTEGER NOT NULL,
    "payload" JSONB NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Outbox_pkey" PRIMARY KEY ("sequence")
);

-- CreateTable
CREATE TABLE "SignInNonce" (
    "nonce" TEXT NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "SignInNonce_pkey" PRIMARY KEY ("nonce")
);

-- CreateTable
CREATE TABLE "Session" (
    "tokenHash" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "chainId" INTEGER NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Session_pkey" PRIMARY KEY ("tokenHash")
);

-- CreateTable
CREATE TABLE "Intent" (
    "intentId" TEXT NOT NULL,
    "sender" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "nonce" INTEGER,
    "record" JSONB NOT NULL,
    "sequence" SERIAL NOT NULL,

    CONSTRAINT "Intent_pkey" PRIMARY KEY ("intentId")
);

-- CreateIndex
CREATE INDEX "ChainEvent_offerId_blockNumber_logIndex_idx" ON "ChainEvent"("offerId", "blockNumber", "logIndex");

-- CreateIndex
CREATE INDEX "ChainEvent_blockNumber_logIndex_idx" ON "ChainEvent"("blockNumber", "logIndex");

-- CreateIndex
CREATE INDEX "ChainEvent_eventName_blockNumber_idx" ON "ChainEvent"("eventName", "blockNumber");

-- CreateIndex
CREATE INDEX "Offer_state_id_idx" ON "Offer"("state", "id");

-- CreateIndex
CREATE INDEX "OfferPayer_payer_idx" ON "OfferPayer"("payer");

-- CreateIndex
CREATE INDEX "OfferBid_trainer_idx" ON "OfferBid"("trainer");

-- CreateIndex
CREATE UNIQUE INDEX "Pool_name_key" ON "Pool"("name");

-- CreateIndex
CREATE INDEX "Pool_owner_idx" ON "Pool"("owner");

-- CreateIndex
CREATE INDEX "Pool_wallet_idx" ON "Pool"("wallet");

-- CreateIndex
CREATE INDEX "Reservation_poolId_state_idx" ON "Reservation"("poolId", "state");

-- CreateIndex
CREATE INDEX "MatchReceipt_offerId_createdAt_idx" ON "MatchReceipt"("offerId", "createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "TrainingJob_offerId_key" ON "TrainingJob"("offerId");

-- CreateIndex
CREATE INDEX "TrainingJob_state_idx" ON "TrainingJob"("state");

-- CreateIndex
CREATE INDEX "Session_address_idx" ON "Session"("address");

-- CreateIndex
CREATE INDEX "Intent_sender_status_idx" ON "Intent"("sender", "status");

-- AddForeignKey
ALTER TABLE "OfferPayer" ADD CONSTRAINT "OfferPayer_offerId_fkey" FOREIGN KEY ("offerId") REFERENCES "Offer"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "OfferBid" ADD CONSTRAINT "OfferBid_offerId_fkey" FOREIGN KEY ("offerId") REFERENCES "Offer"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "VerificationRound" ADD CONSTRAINT "VerificationRound_offerId_fkey" FOREIGN KEY ("offerId") REFERENCES "Offer"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Reservation" ADD CONSTRAINT "Reservation_poolId_fkey" FOREIGN KEY ("poolId") REFERENCES "Pool"("id") ON DELETE CASCADE ON UPDATE CASCADE;
