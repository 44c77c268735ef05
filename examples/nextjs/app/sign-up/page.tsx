import type { Metadata } from "next";
import { redirect } from "next/navigation";
import { AuthForm } from "@/components/auth-form";
import { session } from "@/lib/session";

export const metadata: Metadata = { title: "Sign up" };

export default async function Page() {
  if (await session()) redirect("/");
  return <AuthForm mode="sign-up" />;
}
