-- AlterTable
ALTER TABLE "TrainingJob" ADD COLUMN     "checkpointReference" TEXT;
