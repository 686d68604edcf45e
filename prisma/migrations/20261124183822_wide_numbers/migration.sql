-- AlterTable
ALTER TABLE "OfferPayer" ALTER COLUMN "units" SET DATA TYPE DOUBLE PRECISION;

-- AlterTable
ALTER TABLE "Outbox" ALTER COLUMN "sequence" SET DATA TYPE BIGINT;
ALTER SEQUENCE "Outbox_sequence_seq" AS BIGINT;

-- CreateIndex
CREATE UNIQUE INDEX "Intent_sender_nonce_key" ON "Intent"("sender", "nonce");

-- DropIndex
DROP INDEX "ChainEvent_eventName_blockNumber_idx";
