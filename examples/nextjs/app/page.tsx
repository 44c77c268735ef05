import { redirect } from "next/navigation";
import { TaskApp } from "@/components/task-app";
import { session } from "@/lib/session";
import { apiUrl } from "@/lib/settings";

export default async function Page() {
  const current = await session();
  if (!current) redirect("/sign-in");
  const { id, name } = current.user;
  return <TaskApp apiUrl={apiUrl()} user={{ id, name }} />;
}
