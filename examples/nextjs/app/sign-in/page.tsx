import type { Metadata } from "next";
import { redirect } from "next/navigation";
import { AuthForm } from "@/components/auth-form";
import { session } from "@/lib/session";

export const metadata: Metadata = { title: "Sign in" };

export default async function Page({ searchParams }: { searchParams: Promise<Record<string, unknown>> }) {
  if (await session()) redirect("/");
  return <AuthForm mode="sign-in" sessionEnded={"ended" in (await searchParams)} />;
}
